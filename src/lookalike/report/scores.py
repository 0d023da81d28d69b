"""The figures of a run, each beside what chance, features without training and the untrained network reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass

from lookalike.core.record_types import Event
from lookalike.core.words import counted
from lookalike.runs.evaluation import Scores
from lookalike.runs.looks import NETWORK, LookRecord, last_of_each_kind
from lookalike.runs.reader import RunReader
from lookalike.runs.values import number


@dataclass(frozen=True)
class Figure:
    """A number, and what it is to be compared with."""

    name: str
    what: str
    value: float
    chance: float | None = None
    pixels: float | None = None
    untrained: float | None = None
    percent: bool = True
    """Whether it is a share in [0, 1]."""
    initial: float | None = None
    """With the weights of others that the training began with."""
    histograms: float | None = None
    """With colour histograms and coarse thumbnails; None for runs of before these were measured."""

    def event(self) -> dict[str, object]:
        """As `figures` of docs/page.md."""
        return asdict(self)

    @property
    def beside(self) -> str:
        """What it is to be compared with, in words."""
        references = (
            ("the weights it began with", self.initial),
            ("pixels", self.pixels),
            ("histograms", self.histograms),
            ("the untrained network", self.untrained),
            ("chance", self.chance),
        )
        form = ".1%" if self.percent else ".1f"
        return ", ".join(f"{name} {value:{form}}" for name, value in references if value is not None)


def last_look(run: RunReader) -> LookRecord | None:
    """The last look at the network, if there is one."""
    return last_of_each_kind(run.looks).get(NETWORK)


def initial_look(run: RunReader) -> LookRecord | None:
    """The look before the first step, where the training began with trained weights; else None."""
    looks = [look for look in run.looks if look.kind == NETWORK]
    return looks[0] if len(looks) > 1 and not looks[0].step else None


def first_heads(run: RunReader) -> list[Event]:
    """The clusterings of the first head."""
    return [event for event in run.events_of("clustering") if event.get("head", 0) == 0]


def scores(run: RunReader) -> dict[str, Figure]:
    """The figures that were measured, by name."""
    figures = [*_of_looks(run), *(_of_evaluation(run) if run.evaluation is not None else _of_monitor(run))]
    epochs, notes = run.events_of("epoch"), first_heads(run)
    if epochs and epochs[-1].get("loss") is not None:
        last = epochs[-1]
        figures.append(Figure("loss", "mean of the last epoch", last["loss"], last.get("chance_loss"), percent=False))
    if notes and notes[-1].get("nmi_previous") is not None:
        what = "agreement (NMI) of the last clustering with the one before"
        figures.append(Figure("clusters kept", what, notes[-1]["nmi_previous"], 0.0))
    return {figure.name: figure for figure in figures}


def _look(
    run: RunReader,
    name: str,
    what: str,
    figure_of: Callable[[LookRecord], float | None],
    chance: float | None,
    percent: bool = True,
) -> list[Figure]:
    looks = last_of_each_kind(run.looks)

    def of_kind(kind: str) -> float | None:
        return figure_of(looks[kind]) if kind in looks else None

    now, begun = of_kind(NETWORK), initial_look(run)
    initial = None if begun is None else figure_of(begun)
    beside = {kind: of_kind(kind) for kind in ("pixels", "untrained", "histograms")}
    return [] if now is None else [Figure(name, what, now, chance, percent=percent, initial=initial, **beside)]


def _of_looks(run: RunReader) -> list[Figure]:
    look = last_look(run) or LookRecord(NETWORK)
    n = look.images
    what = f"a new view of an image is nearest to that image, of {n:,}"
    rank = f"directions that the features use, of {look.dimensions:,}"
    closest = "of an image's 20 nearest training images are of its class"
    return [
        *_look(run, "own image found", what, lambda look: look.retrieval, 1 / n if n else None),
        *_look(run, "effective rank", rank, lambda look: look.effective_rank, None, percent=False),
        *_look(run, "closest 20", closest, lambda look: look.closest, _chances(run)[1]),
    ]


def _of_monitor(run: RunReader) -> list[Figure]:
    what = "within the training images, at the last look"
    return _look(run, "kNN", what, lambda look: look.knn, _chances(run)[0])


def _of_evaluation(run: RunReader) -> list[Figure]:
    evaluation = run.evaluation
    if evaluation is None:
        return []
    rows = f"accuracy on {counted(evaluation.test_rows, 'held-out image')}"
    groups = counted(int(number(evaluation.protocol.get("clusters")) or 0), "group")
    figures: tuple[tuple[str, Callable[[Scores], float | None], str], ...] = (
        ("kNN", lambda scores: scores.knn, f"{rows}, by the {evaluation.protocol.get('k', '')} nearest"),
        ("linear", lambda scores: scores.linear, f"{rows}, of a linear classifier of the features"),
        ("groups", lambda scores: scores.groups, f"{rows}, of {groups} made without labels"),
    )
    return [
        Figure(
            name,
            what,
            value,
            evaluation.chance,
            score_of(evaluation.scores_of("pixels")),
            score_of(evaluation.scores_of("random")),
            initial=score_of(evaluation.scores_of("init")),
            histograms=score_of(evaluation.scores_of("histograms")),
        )
        for name, score_of, what in figures
        if (value := score_of(evaluation.trained)) is not None
    ]


def _chances(run: RunReader) -> tuple[float | None, float | None]:
    """Of an even guess among the labels, and of two random images having the same one; None without two labels."""
    counts = Counter(row["label"] for row in run.index if row.get("label"))
    if len(counts) < 2:
        return None, None
    pairs = sum(count * (count - 1) for count in counts.values())
    return 1 / len(counts), pairs / (counts.total() * (counts.total() - 1))
