"""Gathers what the verdict on a network in training goes by."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from lookalike.core.metrics import read_metrics
from lookalike.core.options import TrainOptions
from lookalike.engine.evaluator import Evaluator, MonitorResult
from lookalike.evaluate.baselines import pixel_features
from lookalike.evaluate.comparison import by_labels
from lookalike.evaluate.health import without_copy
from lookalike.evaluate.judging import COLLAPSED, FAILING, Evidence, as_given, health_of, verdict
from lookalike.methods.base import Method
from lookalike.runs.looks import NETWORK, LookRecord, looks_in


class Judge:
    """Says what a look comes to, in a sentence without labels and one with them."""

    def __init__(self, evaluator: Evaluator, options: TrainOptions, method: Method, metrics: Path) -> None:
        """`metrics` is the record of the run, for what was before."""
        self.evaluator, self.options, self.metrics = evaluator, options, metrics
        self.finds_clusters, self.learns_labels = method.finds_clusters, method.needs_labels

    def verdict(
        self, look: MonitorResult, baselines: Mapping[str, LookRecord], loss: float | None, chance: float | None
    ) -> str:
        """The sentence that no label has been asked for; without a loss, of weights as they came."""
        untrained, pixels = (health_of(baselines[name]) for name in ("untrained", "pixels"))
        if loss is None:
            return as_given(Evidence(look.health, untrained, pixels))
        events = read_metrics(self.metrics)
        before = [look.retrieval for look in looks_in(events) if look.kind == NETWORK and look.step]
        evidence = Evidence(
            look.health,
            untrained,
            pixels,
            loss,
            chance,
            self.finds_clusters,
            learns_labels=self.learns_labels,
            like_pixels=_both(look.like_pixels, baselines["untrained"].like_pixels),
            earlier=tuple(retrieval for retrieval in before if retrieval is not None),
            losses=tuple(event["loss"] for event in events if event.get("event") == "epoch"),
            images=len(self.evaluator.images.training),
            distinct=self._distinct,
            crop_min=self.options.crop_min,
        )
        return verdict(evidence)

    @staticmethod
    def warns(sentence: str) -> bool:
        """Whether a sentence is worth saying before the end of a training."""
        return sentence.startswith((COLLAPSED, FAILING))

    @cached_property
    def _distinct(self) -> float:
        """Share of images without a near copy."""
        return without_copy(pixel_features(self.evaluator.images.center_crops.take(self.evaluator.gallery)))

    def by_labels(self, look: MonitorResult, baselines: Mapping[str, LookRecord]) -> str:
        """What the kNN monitor says, where there are labels."""
        accuracies = {name: record.knn for name, record in baselines.items() if record.knn is not None}
        return by_labels(look.knn, accuracies, len(self.evaluator.queries))


def _both(now: float | None, untrained: float | None) -> tuple[float, float] | None:
    return None if now is None or untrained is None else (now, untrained)
