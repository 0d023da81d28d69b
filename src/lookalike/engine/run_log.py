"""The observers that put a training on record and say how it goes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lookalike.core.errors import LookalikeError
from lookalike.engine import messages
from lookalike.engine.collapse import CollapseMonitor
from lookalike.engine.events import EpochEnd, NotFinite, Observer, StepEnd, TrainStart
from lookalike.engine.loggers import Loggers
from lookalike.engine.messages import Facts
from lookalike.engine.monitor import Monitor
from lookalike.engine.run_logger import EARLY, RunLogger
from lookalike.runs.folder import RunFolder

SELDOM = 10.0
"""Seconds between two lines, and two checkpoints, of short epochs by the clock."""

_SETTLED = 0.25  # share of the run before which nobody is warned that it is not learning


class RunLog(Observer):
    """Writes metrics.jsonl, sends its events to the loggers of --log, and says how the training begins."""

    def __init__(self, run: RunFolder, facts: Facts, remarks: Sequence[str] = ()) -> None:
        """`remarks` are said after the opening."""
        self.run, self.facts, self.remarks = run, facts, remarks
        self.logger: RunLogger

    @contextmanager
    def during(self, start: TrainStart) -> Iterator[None]:
        self.logger = RunLogger(self.run.metrics, start.step)
        log = self.facts.options.log
        with self.logger, Loggers(log, self.run, start.step, self.on_note) as loggers:
            self.logger.forward = loggers.event
            for words in (messages.opening(self.facts, start), *self.remarks):
                self.on_note(words)
            if start.resumed and start.step < start.total:
                self.on_note(messages.going_on(self.facts, start))
            try:
                yield
            except NotFinite as error:
                self.event("not finite", error.step, loss=str(error.value))
                raise LookalikeError(messages.not_finite(self.facts, error, self.run.checkpoint)) from None

    def on_epoch_end(self, end: EpochEnd) -> bool:
        values = {"loss": end.loss, "chance_loss": self.facts.chance, "lr": end.lr}
        rate = round(end.images_per_s, 1)
        self.event("epoch", end.step, end.early, epoch=end.epoch + 1, **values, images_per_s=rate)
        return False

    def on_note(self, text: str) -> None:
        self.logger.say(text)

    def event(self, kind: str, step: int, early: bool = False, **values: object) -> None:
        """Put on record at a step; marked where the training ends early, as a run that goes on drops it."""
        self.logger.event(kind, step, **values, **({EARLY: True} if early else {}))


class Lines(Observer):
    """Says how far the training is: the live line at each step, a line for each epoch, and the verdict."""

    def __init__(self, log: RunLog, monitor: Monitor, collapse: CollapseMonitor) -> None:
        self.log, self.monitor, self.collapse = log, monitor, collapse
        self.told_at = -math.inf  # when the last line of an epoch was printed

    def on_step_end(self, end: StepEnd) -> bool:
        seen, groups = self.monitor.seen, self.collapse.words
        self.log.logger.progress(messages.line(self.log.facts, end, seen, groups))
        return False

    def on_epoch_end(self, end: EpochEnd) -> bool:
        looked = self.monitor.looked_at == end.step
        seen = self.monitor.retrieval + self.monitor.seen if looked else ""
        # by the clock there may be hundreds of short epochs, which nobody wants to read of
        short_epoch = self.log.facts.timed and not end.last and not looked
        if not short_epoch or time.monotonic() - self.told_at >= SELDOM:
            self.log.logger.epoch(messages.epoch(self.log.facts, end, seen, self.collapse.words))
            self.told_at = time.monotonic()
        sentence = self.monitor.sentence if looked else ""
        if sentence and (end.last or (self.monitor.judge.warns(sentence) and end.progress > _SETTLED)):
            self.log.on_note(sentence)
        return False
