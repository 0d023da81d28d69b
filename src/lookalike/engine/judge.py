"""Gathers what the verdict on a network in training goes by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lookalike.core.options import TrainOptions
from lookalike.engine.looks import Look, Looker
from lookalike.evaluate.judging import Evidence, as_given, by_labels, verdict


class Judge:
    """Says what a look comes to, in a sentence without labels and one with them."""

    def __init__(self, looker: Looker, options: TrainOptions, finds_clusters: bool, metrics: Path) -> None:
        """`metrics` is the record of the run, for what was before."""
        self.looker, self.options, self.finds_clusters, self.metrics = looker, options, finds_clusters, metrics

    def verdict(self, look: Look, baselines: Mapping[str, Any], loss: float | None, chance: float | None) -> str:
        """The sentence that no label has been asked for; without a loss, of weights as they came."""
        found = Evidence(
            now=look.health,
            untrained=Look.health_of(baselines["untrained"]),
            pixels=Look.health_of(baselines["pixels"]),
            loss=loss,
            chance=chance,
            targets_change=self.finds_clusters,
        )
        return as_given(found) if loss is None else verdict(found)

    def by_labels(self, look: Look, baselines: Mapping[str, Any]) -> str:
        """What the kNN monitor says, where there are labels."""
        known = {name: event["knn"] for name, event in baselines.items() if event.get("knn") is not None}
        return by_labels(look.knn, known, len(self.looker.queries))
