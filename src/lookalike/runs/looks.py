"""Looks at features, as metrics.jsonl has them: what was measured of a network or of features that need no training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lookalike.runs.values import count, number, text

LOOK = "look"
"""The `event` of a line that is a look."""
NETWORK = "network"
"""The kind of a look at the network in training."""


@dataclass(frozen=True)
class LookRecord:
    """What was measured at one look. What was not is None."""

    kind: str
    """Which features: pixels, histograms, untrained or network; `of` in the file."""
    epoch: int = 0
    step: int = 0
    retrieval: float | None = None
    """Share of views that find their own image, in [0, 1]."""
    effective_rank: float | None = None
    """Directions that the features use; NaN where a feature is not finite."""
    positive_cosine: float | None = None
    """Mean cosine of a view and its image."""
    images: int = 0
    """Among which a view has to find its own."""
    dimensions: int = 0
    """D of the features."""
    knn: float | None = None
    """Accuracy within the training images, in [0, 1]."""
    closest: float | None = None
    """Share of an image's 20 nearest that are of its class, in [0, 1]."""
    like_pixels: float | None = None
    """Share of an image's 10 nearest by pixels that are among its 10 nearest, in [0, 1]."""
    verdict: str | None = None
    """What it comes to without labels, in a sentence; of a network alone."""
    by_labels: str | None = None
    """What labels say, in a sentence; empty without labels."""

    def measured(self) -> dict[str, object]:
        """The figures, by their names in the file."""
        return {
            "retrieval": self.retrieval,
            "effective_rank": self.effective_rank,
            "positive_cosine": self.positive_cosine,
            "images": self.images,
            "dimensions": self.dimensions,
            "knn": self.knn,
            "closest": self.closest,
            "like_pixels": self.like_pixels,
        }

    def to_json(self) -> dict[str, object]:
        """The values of its line in metrics.jsonl that follow `event` and `step`."""
        sentences = {} if self.verdict is None else {"verdict": self.verdict, "by_labels": self.by_labels}
        return {"epoch": self.epoch, "of": self.kind, **self.measured(), **sentences}

    @classmethod
    def from_json(cls, event: Mapping[str, object]) -> LookRecord:
        """Read from a line of metrics.jsonl. A value that is missing or of the wrong kind was not measured."""
        return cls(
            kind=text(event.get("of")) or "",
            epoch=count(event.get("epoch")) or 0,
            step=count(event.get("step")) or 0,
            retrieval=number(event.get("retrieval")),
            effective_rank=number(event.get("effective_rank")),
            positive_cosine=number(event.get("positive_cosine")),
            images=count(event.get("images")) or 0,
            dimensions=count(event.get("dimensions")) or 0,
            knn=number(event.get("knn")),
            closest=number(event.get("closest")),
            like_pixels=number(event.get("like_pixels")),
            verdict=text(event.get("verdict")),
            by_labels=text(event.get("by_labels")),
        )


def looks_in(events: Iterable[Mapping[str, object]]) -> list[LookRecord]:
    """The looks among the events of a metrics.jsonl, in their order."""
    return [LookRecord.from_json(event) for event in events if event.get("event") == LOOK]


def last_of_each_kind(looks: Iterable[LookRecord]) -> dict[str, LookRecord]:
    """The last look at each kind of features."""
    return {look.kind: look for look in looks}
