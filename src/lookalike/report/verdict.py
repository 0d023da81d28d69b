"""What a run came to, in a few plain sentences, and what to try where it is not as it should be."""

from __future__ import annotations

from lookalike.core.durations import duration
from lookalike.core.options import short
from lookalike.core.passed_over import from_records, sentences
from lookalike.core.words import agreeing, counted
from lookalike.evaluate.comparison import by_labels, common, compared, knn_of_baselines, training_paid
from lookalike.report import before
from lookalike.report.differences import tested_alike
from lookalike.report.scores import Figure, first_heads, last_look, scores
from lookalike.runs.reader import RunReader

_CLOSE = 0.02  # difference of accuracies below which two are called alike
_LARGEST = 0.5  # share of the images in one cluster from which a clustering says little
_STABLE, _LOOSE = 0.8, 0.4  # NMI of a clustering with the one before
_HEADS = {
    "healthy": "It is learning: a",
    "collapsed": "It has collapsed, nearly all images get the same features: a",
    "not learning": "It is not learning: a",
    "unproven": "It is learning its task, which does not prove that it is better than what needs no training: a",
    "not trained": "With these weights a",
}


def verdict(run: RunReader) -> dict[str, object]:
    """`verdict` of docs/page.md."""
    if not before.has_learned(run):
        return {"sentences": _before_learning(run), "figures": []}
    figures = scores(run)
    lines = [_opening(run), _learning(run, figures), _by_labels(run)]
    lines += [_accuracy(run, figures), training_paid(run.evaluation)]
    lines += [_closest(figures), _rank(run, figures)]
    lines += [_stability(run), _skipped(run), *_passed_over(run), *_advice(run, figures)]
    return {
        "sentences": [sentence for sentence in lines if sentence],
        "figures": [figure.event() for figure in figures.values()],
    }


def _before_learning(run: RunReader) -> list[str]:
    lines = [before.opening(run), *(before.survey(run) or [_skipped(run), *_passed_over(run)])]
    return [sentence for sentence in (*lines, before.to_come(run), before.go_on(run)) if sentence]


def beside(run: RunReader, other: RunReader) -> str:
    """How a run's accuracies differ from those of another on the same test images; nothing where that is not known."""
    images = tested_alike(run, other)
    pairs = common(run.evaluation, other.evaluation) if images else {}
    comparison = "; ".join(compared(key, *pair, images) for key, pair in pairs.items())
    return f"Beside {other.name}, on {counted(images, 'test image')}: {comparison}." if comparison else ""


def _is_trained(run: RunReader) -> bool:
    return run.config.get("epochs") != 0


def _opening(run: RunReader) -> str:
    config, record = run.config, run.record
    channels, side = (record.shape or [0, 0, 0])[:2]
    data = short(config.get("data") or "images")
    parameters = record.parameters
    epochs = run.events_of("epoch")
    done = epochs[-1].get("epoch", 0) if epochs else 0
    seconds = record.seconds.get("train")
    network = _with_article(str(config.get("encoder", "network")))
    words = f"{run.method or 'A method'} trained {network}" if _is_trained(run) else f"{network.capitalize()}"
    words += f" of {parameters / 1e6:.2f} M parameters" if parameters else ""
    if not _is_trained(run):
        words += f" with the weights of {config['init']}" if config.get("init") else ", untrained,"
    elif config.get("init"):
        words += f", begun with the weights of {config['init']},"
    words += f" on {counted(record.training_images or run.images, 'image')} of {data}"
    words += f" ({side} x {side} pixels, {'colour' if channels == 3 else 'grey'})" if side else ""
    if not _is_trained(run):
        return words + "; it was not trained on them (--epochs 0), and no label was used."
    words += f" for {done} of {counted(config['epochs'], 'epoch') if 'epochs' in config else '? epochs'}"
    words += f" in {duration(seconds)}" if seconds else ""
    words += ", with labels." if run.with_labels else "; no label was used."
    if not record.has_ended:
        words += f" The run is not complete (status: {record.status or 'unknown'})."
    return words


def _with_article(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def _judged(run: RunReader) -> str:
    """The sentence of the last look."""
    look = last_look(run)
    return "" if look is None else look.verdict or ""


def _learning(run: RunReader, figures: dict[str, Figure]) -> str:
    look, retrieval, loss = last_look(run), figures.get("own image found"), figures.get("loss")
    if look is None or retrieval is None:
        return "Nothing can be said yet about what was learned: no look at the network was taken."
    words = _HEADS.get(_judged(run).split(":")[0], "A")
    words += f" new view of an image finds that image among {look.images:,} in {retrieval.value:.1%} of cases"
    words += f" ({retrieval.beside})"
    if loss is not None and loss.chance is not None:
        words += f"; the loss is {loss.value:.2f}, and {loss.chance:.2f} at chance"
    return words + "."


def _by_labels(run: RunReader) -> str:
    """What labels say, where there are any: a run is never called healthy alone where they say otherwise."""
    evaluation = run.evaluation
    if evaluation is None:
        look = last_look(run)
        return "" if look is None else look.by_labels or ""
    return by_labels(evaluation.trained.knn, knn_of_baselines(evaluation), evaluation.test_rows)


def _accuracy(run: RunReader, figures: dict[str, Figure]) -> str:
    measured = [figures[name] for name in ("kNN", "linear", "groups") if name in figures]
    if not measured:
        return "" if any(row.get("label") for row in run.index) else "There are no labels, so no accuracy."
    where = "On held-out images" if run.evaluation is not None else "Within the training images"
    accuracies = "; ".join(f"{figure.name} {figure.value:.1%} ({figure.beside})" for figure in measured)
    return f"{where}, measured with labels: {accuracies}."


def _closest(figures: dict[str, Figure]) -> str:
    figure = figures.get("closest 20")
    return "" if figure is None else f"Of an image's 20 nearest, {figure.value:.1%} are of its class ({figure.beside})."


def _rank(run: RunReader, figures: dict[str, Figure]) -> str:
    look, figure = last_look(run), figures.get("effective rank")
    if look is None or figure is None:
        return ""
    beside = f" ({figure.beside})" if figure.beside else ""
    return f"The features use {figure.value:.1f} of {look.dimensions:,} directions{beside}."


def _stability(run: RunReader) -> str:
    notes = first_heads(run)
    if not notes:
        return ""
    nmi = notes[-1].get("nmi_previous")
    if nmi is None:
        return "The images were clustered once, so whether the clusters last is not known."
    state = "stable" if nmi >= _STABLE else "still moving" if nmi >= _LOOSE else "not stable"
    words = f"The clusters are {state}: the last clustering agrees with the one before by an NMI of {nmi:.2f}"
    if notes[-1].get("nmi_labels") is not None:
        words += f", and with the labels by {notes[-1]['nmi_labels']:.2f}"
    return words + "."


def _skipped(run: RunReader) -> str:
    many = len(run.skipped)
    if not many:
        return ""
    return f"{counted(many, 'file')} could not be read and {agreeing(many, 'was', 'were')} skipped."


def _passed_over(run: RunReader) -> list[str]:
    """What lay beside the images and was not read, and notes on them; nothing for runs of before these were kept."""
    loud, quiet = sentences(from_records(run.record.passed_over))
    noted = [f"note: {note}" for note in run.record.notes]
    return [f"{sentence[:1].upper()}{sentence[1:]}." for sentence in (*loud, *noted, *quiet)]


def _advice(run: RunReader, figures: dict[str, Figure]) -> list[str]:
    remedy = _judged(run).partition(". ")[2]  # the cause, and what to try
    advice = [remedy] if remedy else []
    for figure in (figures[name] for name in ("linear", "kNN") if name in figures):
        others = (
            ("raw pixels", figure.pixels),
            ("histograms", figure.histograms),
            ("the untrained network", figure.untrained),
        )
        # near 1 there is nothing left to gain, and being level says nothing
        ahead = [name for name, x in others if x is not None and figure.value < min(x + _CLOSE, 1 - _CLOSE)]
        if ahead:
            if not _is_trained(run):
                advice.append(
                    f"By {figure.name} accuracy these weights are no better than {' and '.join(ahead)}: training on "
                    "these images should pay (the same command with another --out, without --epochs 0)."
                )
                break
            other = (
                ": try more epochs (--epochs), or views that vary in what must not matter (lookalike views DATA shows "
                "them)"
            )
            named = " and ".join(filter(None, [", ".join(ahead[:-1]), ahead[-1]]))
            advice.append(f"By {figure.name} accuracy it is no better than {named}{'' if remedy else other}.")
            break
    notes, training = first_heads(run), run.record.training_images or run.images
    if notes and notes[-1].get("largest", 0) > _LARGEST * training:
        advice.append(
            f"One cluster holds {notes[-1]['largest']:,} of {counted(training, 'image')}: try more clusters "
            "(--n-clusters), a "
            "lower learning rate, or fewer epochs between clusterings (--every)."
        )
    elif notes and (notes[-1].get("nmi_previous") or 1.0) < _LOOSE:
        advice.append("Clusters that do not last teach little: try more epochs between clusterings (--every).")
    if not run.record.has_ended:
        advice.append(f"Go on with the run: lookalike train --config {run.path / 'config.toml'}")
    return advice
