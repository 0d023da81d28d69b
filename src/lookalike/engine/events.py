"""What a training tells whoever observes it, and what an observer is. A training without observers is a trial."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from lookalike.core.errors import LookalikeError
from lookalike.core.plan import Plan
from lookalike.core.record_types import Record

State = Callable[[], Record]
"""Gives what a checkpoint holds of a training; all processes ask for it together."""


@dataclass(frozen=True)
class TrainStart:
    """A training begins, or goes on."""

    step: int
    """Steps of the optimiser that are done."""
    total: int
    """Steps of the whole training; where the clock decides, as far as it is known."""
    chunk: int | None
    """Images whose graph is held at once; None: all of a batch."""
    resumed: bool


@dataclass(frozen=True)
class PlanMade:
    """The method has planned an epoch."""

    epoch: int
    """Counted from 0."""
    step: int
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Where a training stands between two steps."""

    epoch: int
    """Counted from 0."""
    step: int
    """Steps that are made."""
    total: int
    progress: float
    """How far the training is, in [0, 1]."""
    images_per_s: float
    """Lately; of an epoch with all that came between steps."""
    seconds_left: float
    last: bool
    """Of a step, whether it is the last of its epoch, or of the training, so that what is due then is due at the end of
    the epoch; of an epoch, whether no step follows."""
    state: State


@dataclass(frozen=True, kw_only=True)
class StepEnd(Moment):
    """A step of the optimiser is made."""

    loss: float
    """The newest that was read from the device; NaN before the first."""


@dataclass(frozen=True, kw_only=True)
class EpochEnd(Moment):
    """The last step of an epoch is made, or the last of a training, or a training was ended early."""

    loss: float
    """Mean over the epoch."""
    lr: float
    early: bool
    """Whether the training was asked to end before its last step; the run may go on later."""
    targets_NH: Tensor | None
    """int64: what told the images apart in this epoch."""


class NotFinite(LookalikeError):
    """A loss became NaN or infinite."""

    def __init__(self, value: float, step: int, total: int) -> None:
        super().__init__(f"the loss became {value} at step {step:,}")
        self.value, self.step, self.total = value, step, total


class Observer:
    """Is told how a training goes, in the order that observers have; changes nothing that is learned."""

    @contextmanager
    def during(self, start: TrainStart) -> Iterator[None]:
        """Surrounds the training."""
        yield

    def on_plan(self, made: PlanMade) -> None:
        """The method has planned an epoch."""

    def on_step_end(self, end: StepEnd) -> bool:
        """A step is made; True ends the training here, early."""
        return False

    def on_epoch_end(self, end: EpochEnd) -> bool:
        """An epoch is over; True ends the training here, early."""
        return False

    def on_note(self, text: str) -> None:
        """Something happened that a person should know of."""


class Recorder(Protocol):
    """Where observers put what they find (`run_log.py`)."""

    def on_note(self, text: str) -> None:
        """Say a line that stays."""

    def event(self, kind: str, step: int, early: bool = False, **values: object) -> None:
        """Put an event on record at a step."""


class Stateful(Protocol):
    """What has a state of its own in a checkpoint."""

    def checkpoint_state(self) -> Record:
        """What a checkpoint holds of it."""
        ...

    def restore(self, state: Record) -> None:
        """Go back to what a checkpoint holds."""
