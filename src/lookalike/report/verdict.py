"""What a run came to: a few plain sentences, and the figures behind them with what chance would reach."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lookalike.core.metrics import duration
from lookalike.report.runs import Run

_CLOSE = 0.02  # difference of accuracies below which two are called alike
_LARGEST = 0.5  # share of the images in one cluster from which a clustering says little
_STABLE, _LOOSE = 0.8, 0.4  # NMI of a clustering with the one before
_ENOUGH = 1.5  # looks that raw pixels may find as many images in as the network, before it is said


@dataclass(frozen=True)
class Figure:
    """A number, and what it is to be compared with; accuracies and shares in [0, 1]."""

    name: str
    what: str
    value: float | None
    chance: float | None = None
    pixels: float | None = None
    untrained: float | None = None
    percent: bool = True

    def event(self) -> dict[str, Any]:
        """As `figures` of docs/page.md."""
        return dict(self.__dict__)


def verdict(run: Run) -> dict[str, Any]:
    """`verdict` of docs/page.md."""
    figures = [figure for figure in _figures(run) if figure.value is not None]
    known = {figure.name: figure for figure in figures}
    sentences = [_opening(run)]
    for sentence in (_learning(run, known), _accuracy(run, known), _closest(known), _rank(known), _stability(run)):
        sentences += [sentence] if sentence else []
    if run.skipped:
        many = len(run.skipped) > 1
        sentences.append(
            f"{len(run.skipped):,} file{'s' if many else ''} could not be read and {'were' if many else 'was'} skipped."
        )
    advice = _advice(run, known)
    return {"sentences": sentences + advice, "figures": [figure.event() for figure in figures]}


def looks(run: Run) -> dict[str, dict[str, Any]]:
    """The last look at pixels, at the network untrained, and at the network."""
    return {str(event.get("of")): event for event in run.of("look")}


def _figures(run: Run) -> list[Figure]:
    seen = looks(run)
    now, pixels, untrained = (seen.get(name, {}) for name in ("network", "pixels", "untrained"))

    def look(key: str) -> dict[str, Any]:
        return {"value": now.get(key), "pixels": pixels.get(key), "untrained": untrained.get(key)}

    n = now.get("images")
    figures = [
        Figure(
            "own image found",
            f"a new view of an image is nearest to that image, of {n or 0:,}",
            **look("retrieval"),
            chance=1 / n if n else None,
        ),
        Figure(
            "effective rank",
            f"directions that the features use, of {now.get('dimensions', 0)}",
            **look("effective_rank"),
            percent=False,
        ),
    ]
    last = (run.of("epoch") or [{}])[-1]
    figures.append(
        Figure("loss", "mean of the last epoch", last.get("loss"), last.get("chance_loss"), percent=False)
    )
    classes, matching = _label_chances(run)
    if run.evaluation is None:
        figures.append(Figure("kNN", "within the training images, at the last look", **look("knn"), chance=classes))
    else:
        found = run.evaluation
        rules = found.get("protocol", {})
        rows, chance = rules.get("test_rows", 0), rules.get("chance")
        for name, key, what in (
            ("kNN", "knn", f"accuracy on {rows:,} held-out images, by the {rules.get('k', '')} nearest"),
            ("linear", "linear", f"accuracy on {rows:,} held-out images of a linear classifier of the features"),
            ("groups", "cluster.accuracy", f"accuracy of {rules.get('clusters', '')} groups made without labels, matched"),
        ):
            both = {"pixels": found.get(f"pixels.{key}"), "untrained": found.get(f"random.{key}")}
            figures.append(Figure(name, what, found.get(key), chance, **both))
    figures.append(
        Figure("closest 20", "of an image's 20 nearest training images are of its class", **look("closest"), chance=matching)
    )
    notes = [event for event in run.of("clustering") if event.get("head", 0) == 0]
    if notes:
        figures.append(
            Figure("clusters kept", "NMI of the last clustering with the one before", notes[-1].get("nmi_previous"), 0.0)
        )
    return figures


def _label_chances(run: Run) -> tuple[float | None, float | None]:
    """Of an even guess among the labels, and of two random images having the same one."""
    counts: dict[str, int] = {}
    for row in run.index:
        if row.get("label"):
            counts[row["label"]] = counts.get(row["label"], 0) + 1
    total = sum(counts.values())
    if len(counts) < 2:
        return None, None
    return 1 / len(counts), sum(c * (c - 1) for c in counts.values()) / (total * (total - 1))


def _opening(run: Run) -> str:
    config, record = run.config, run.record
    shape = record.get("shape") or [0, 0, 0]
    data = Path(str(config.get("data") or "images")).name or "images"
    epochs = run.of("epoch")
    done = epochs[-1].get("epoch", 0) if epochs else 0
    words = f"{run.method} trained {_encoder(run)} on {record.get('training_images', run.images):,} images of {data}"
    words += f" ({shape[1]} x {shape[2]} pixels, {'colour' if shape[0] == 3 else 'grey'})" if shape[1] else ""
    seconds = record.get("seconds", {}).get("train")
    words += f" for {done} of {config.get('epochs', '?')} epochs"
    words += f", in {duration(seconds)}" if seconds else ""
    words += "." if config.get("method") == "supervised" else "; no label was used."
    status = record.get("status")
    if status not in ("trained", "finished"):
        words += f" The run is not complete (status: {status})."
    return words


def _encoder(run: Run) -> str:
    parameters = run.record.get("parameters")
    name = f"a {run.config.get('encoder', 'network')}"
    return f"{name} of {parameters / 1e6:.2f} M parameters" if parameters else name


def _learning(run: Run, known: dict[str, Figure]) -> str:
    found, loss = known.get("own image found"), known.get("loss")
    judged = str(looks(run).get("network", {}).get("verdict", ""))
    state = judged.split(":")[0] if ":" in judged else ""
    head = {
        "healthy": "It is learning",
        "collapsed": "It has collapsed: nearly all images get the same features",
        "not learning": "It is not learning",
    }.get(state, "")
    if found is None:
        return "Nothing can be said about what was learned yet: no look at the network was taken."
    words = (
        f"{head}: a" if head and state != "collapsed" else f"{head}; a" if head else "A"
    ) + f" new view of an image finds that image among {_images(run):,} in {found.value:.1%} of cases"
    words += f" ({_beside(found)})"
    if loss is not None and loss.chance is not None:
        words += f"; the loss is {loss.value:.2f}, and {loss.chance:.2f} at chance"
    return words + "."


def _images(run: Run) -> int:
    return int(looks(run).get("network", {}).get("images") or 0)


def _beside(figure: Figure) -> str:
    known = (("pixels", figure.pixels), ("the untrained network", figure.untrained), ("chance", figure.chance))
    return ", ".join(f"{name} {value:.1%}" for name, value in known if value is not None)


def _accuracy(run: Run, known: dict[str, Figure]) -> str:
    parts = [
        f"{name} {figure.value:.1%} ({_beside(figure)})"
        for name, figure in ((name, known.get(name)) for name in ("kNN", "linear", "groups"))
        if figure is not None
    ]
    if not parts:
        return "" if any(row.get("label") for row in run.index) else "There are no labels, so no accuracy."
    where = "On held-out images" if run.evaluation is not None else "Within the training images"
    return f"{where}, measured with labels: " + "; ".join(parts) + "."


def _closest(known: dict[str, Figure]) -> str:
    figure = known.get("closest 20")
    if figure is None:
        return ""
    return f"Of an image's 20 nearest, {figure.value:.1%} are of its class ({_beside(figure)})."


def _rank(known: dict[str, Figure]) -> str:
    figure = known.get("effective rank")
    if figure is None or figure.value is None:
        return ""
    compared = f"; untrained {figure.untrained:.1f}" if figure.untrained is not None else ""
    return f"The features use {figure.value:.1f} {figure.what.split(' that ')[0]}{figure.what.split('use')[1]}{compared}."


def _stability(run: Run) -> str:
    notes = [event for event in run.of("clustering") if event.get("head", 0) == 0]
    if not notes:
        return ""
    last = notes[-1]
    kept = last.get("nmi_previous")
    if kept is None:
        return "The images were clustered once; whether the clusters are stable is not known."
    state = "stable" if kept >= _STABLE else "still moving" if kept >= _LOOSE else "not stable"
    words = f"The clusters are {state}: NMI {kept:.2f} of the last clustering with the one before"
    if last.get("nmi_labels") is not None:
        words += f", {last['nmi_labels']:.2f} with the labels"
    return words + "."


def _advice(run: Run, known: dict[str, Figure]) -> list[str]:
    """What to try, where something is not as it should be."""
    advice = []
    judged = str(looks(run).get("network", {}).get("verdict", ""))
    if "Try " in judged:
        advice.append(judged[judged.index("Try ") :])
    for name in ("linear", "kNN"):
        figure = known.get(name)
        if figure is None or figure.value is None:
            continue
        below = [
            words
            for words, value in (("raw pixels", figure.pixels), ("the untrained network", figure.untrained))
            if value is not None and figure.value < min(value + _CLOSE, 1 - _CLOSE)
        ]
        if below:
            advice.append(
                f"By {name} accuracy it is no better than {' and '.join(below)}: try more epochs (--epochs), or views "
                "that vary in what must not matter (lookalike views DATA shows them)."
            )
            break
    notes = [event for event in run.of("clustering") if event.get("head", 0) == 0]
    training = run.record.get("training_images") or run.images
    if notes and training and notes[-1].get("largest", 0) > _LARGEST * training:
        advice.append(
            f"One cluster holds {notes[-1]['largest']:,} of {training:,} images: try more clusters (--n-clusters), a "
            "lower learning rate, or more epochs between clusterings (--every)."
        )
    elif notes and (notes[-1].get("nmi_previous") or 1.0) < _LOOSE:
        advice.append("Clusters that do not last teach little: try more epochs between clusterings (--every).")
    if run.record.get("status") not in ("trained", "finished"):
        advice.append(f"Go on with it: lookalike train --config {run.path / 'config.toml'}")
    return advice
