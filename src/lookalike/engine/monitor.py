"""The observer that looks at what is learned, from time to time, and keeps a frame for the page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from torch import Tensor

from lookalike.core.budget import Budget
from lookalike.core.record_types import Record
from lookalike.data.base import Images
from lookalike.engine.budget import LOOKED, LOOKS, Behind
from lookalike.engine.evaluator import Evaluator
from lookalike.engine.events import EpochEnd, Observer, Recorder, TrainStart
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.engine.judge import Judge
from lookalike.engine.messages import Facts
from lookalike.engine.snapshots import NoSnapshots
from lookalike.runs.looks import LOOK, NETWORK, LookRecord


class Monitor(Observer):
    """Looks at a network: health without labels, kNN where labels are; says a verdict."""

    def __init__(
        self,
        backbone: FeatureExtractor,
        untrained: FeatureExtractor,
        images: Images,
        evaluator: Evaluator,
        judge: Judge,
        snapshots: NoSnapshots,
        log: Recorder,
        facts: Facts,
        behind: Behind,
        length: Callable[[], float],
        budget: Budget | None = None,
    ) -> None:
        """`untrained` is what a look is compared with; `behind` is told how long looks take; `length` gives the seconds
        of the whole training, where the clock decides."""
        self.backbone, self.images = backbone, images
        self.untrained: FeatureExtractor | None = untrained
        self.evaluator, self.judge, self.snapshots, self.log, self.facts = evaluator, judge, snapshots, log, facts
        self.behind, self.length, self.budget = behind, length, budget
        self.snapshots.say = log.on_note
        self.baselines: dict[str, LookRecord] = {}
        self.looked = 0.0  # the progress of the last look
        self.looked_at: int | None = None
        """The step of the last look."""
        self.seen = self.retrieval = self.sentence = ""
        """The kNN accuracy, the share of images found again, and the verdict of the last look, in words."""

    def checkpoint_state(self) -> Record:
        """What a checkpoint holds of it."""
        return {"baselines": {name: look.measured() for name, look in self.baselines.items()}}

    def restore(self, state: Record) -> None:
        """Go back to what a checkpoint holds."""
        looks = state["baselines"].items()
        self.baselines = {name: LookRecord.from_json({**measured, "of": name}) for name, measured in looks}

    @contextmanager
    def during(self, start: TrainStart) -> Iterator[None]:
        self.snapshots.begin(start.step)
        if not start.resumed:
            self._look_before(start)
        yield

    def _look_before(self, start: TrainStart) -> None:
        """Look at what the trained network will be compared with."""
        assert self.untrained is not None
        extractor, begun = self.evaluator.with_recomputed_bn_stats(self.untrained), time.monotonic()
        untrained = self.evaluator.cache(extractor.features, self.snapshots.rows)
        self.behind.image = (time.monotonic() - begun) / len(untrained.rows)
        looks = {"untrained": self.evaluator.evaluate(untrained)}
        self.behind.look = time.monotonic() - begun
        looks = {**self.evaluator.evaluate_baselines(), **looks}
        self.baselines = {name: look.record(name) for name, look in looks.items()}
        for record in self.baselines.values():
            self.log.event(LOOK, 0, early=False, **record.to_json())
        self.snapshots.untrained(untrained)
        if self.budget is not None:
            self.behind.measure(untrained, self.images, self.evaluator)
            self.log.on_note(self.behind.words(self.budget))
        self.untrained = None  # its memory is wanted
        if self.facts.options.init is not None or not start.total:
            self._look(-1, start.step, 0.0)
            self.log.on_note(self.sentence)

    def on_epoch_end(self, end: EpochEnd) -> bool:
        if self._is_due(end):
            self.look(end)
        return False

    def _is_due(self, end: EpochEnd) -> bool:
        if end.last:
            return True
        if not self.facts.timed:
            return (end.epoch + 1) % self.facts.options.check_every == 0
        count = int(min(LOOKS, LOOKED * self.length() / max(self.behind.look, 1e-3)))
        return int(end.progress * count) > int(self.looked * count)

    def look(self, end: EpochEnd) -> None:
        """Look at the network, keep a frame, and find the verdict."""
        self._look(end.epoch, end.step, end.progress, end.loss, end.targets_NH, end.early)

    def _look(
        self,
        epoch: int,
        step: int,
        progress: float,
        loss: float | None = None,
        targets_NH: Tensor | None = None,
        early: bool = False,
    ) -> None:
        """Epoch -1, without a loss, is before the first step."""
        begun, self.looked, self.looked_at = time.monotonic(), progress, step
        cache = self.evaluator.cache(self.backbone.features, self.snapshots.rows)
        self.behind.image = (time.monotonic() - begun) / len(cache.rows)
        look = self.evaluator.evaluate(cache)
        verdict = self.judge.verdict(look, self.baselines, loss, self.facts.chance)
        labels = self.judge.by_labels(look, self.baselines)
        record = replace(look.record(NETWORK, epoch + 1), verdict=verdict, by_labels=labels)
        self.log.event(LOOK, step, early, **record.to_json())
        clusters_N = targets_NH[:, 0] if self.judge.finds_clusters and targets_NH is not None else None
        self.snapshots.take(cache, epoch + 1, step, clusters_N, early)
        self.behind.look = time.monotonic() - begun
        self.behind.frames += 1
        self.seen = f"  kNN {look.knn:.1%}" if look.knn is not None else ""
        self.retrieval = f"  own image found {look.health.retrieval:.1%}"
        self.sentence = f"{verdict} {labels}".strip()
