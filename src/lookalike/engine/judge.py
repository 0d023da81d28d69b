"""Gathers what the verdict on a network in training goes by."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from lookalike.core.metrics import read_metrics
from lookalike.core.options import TrainOptions
from lookalike.engine.looks import Look, Looker
from lookalike.evaluate.baselines import pixel_features
from lookalike.evaluate.comparison import by_labels
from lookalike.evaluate.health import without_copy
from lookalike.evaluate.judging import COLLAPSED, FAILING, Evidence, as_given, health_of, verdict
from lookalike.methods.base import Method


class Judge:
    """Says what a look comes to, in a sentence without labels and one with them."""

    def __init__(self, looker: Looker, options: TrainOptions, method: Method, metrics: Path) -> None:
        """`metrics` is the record of the run, for what was before."""
        self.looker, self.options, self.metrics = looker, options, metrics
        self.finds_clusters, self.learns_labels = method.finds_clusters, method.needs_labels

    def verdict(self, look: Look, baselines: Mapping[str, Any], loss: float | None, chance: float | None) -> str:
        """The sentence that no label has been asked for; without a loss, of weights as they came."""
        untrained, pixels = (health_of(baselines[name]) for name in ("untrained", "pixels"))
        if loss is None:
            return as_given(Evidence(look.health, untrained, pixels))
        events = read_metrics(self.metrics)
        before = [event for event in events if event.get("event") == "look" and event.get("of") == "network"]
        found = Evidence(
            look.health,
            untrained,
            pixels,
            loss,
            chance,
            self.finds_clusters,
            learns_labels=self.learns_labels,
            like_pixels=_both(look.like_pixels, baselines["untrained"].get("like_pixels")),
            earlier=tuple(event["retrieval"] for event in before if event.get("step")),
            losses=tuple(event["loss"] for event in events if event.get("event") == "epoch"),
            images=len(self.looker.images.training),
            distinct=self._distinct,
            crop_min=self.options.crop_min,
        )
        return verdict(found)

    @staticmethod
    def warns(sentence: str) -> bool:
        """Whether a sentence is worth saying before the end of a training."""
        return sentence.startswith((COLLAPSED, FAILING))

    @cached_property
    def _distinct(self) -> float:
        """Share of images without a near copy."""
        return without_copy(pixel_features(self.looker.images.center_crops.take(self.looker.gallery)))

    def by_labels(self, look: Look, baselines: Mapping[str, Any]) -> str:
        """What the kNN monitor says, where there are labels."""
        known = {name: event["knn"] for name, event in baselines.items() if event.get("knn") is not None}
        return by_labels(look.knn, known, len(self.looker.queries))


def _both(now: float | None, untrained: float | None) -> tuple[float, float] | None:
    return None if now is None or untrained is None else (now, untrained)
