"""The observers that save a training, and stop it when a signal asks."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch

from lookalike.core.budget import Budget
from lookalike.core.comm import Comm
from lookalike.core.errors import Interrupted
from lookalike.core.full_disk import unless_full
from lookalike.core.progress import tell
from lookalike.engine import disk, messages
from lookalike.engine.checkpoint import load_checkpoint, save_checkpoint
from lookalike.engine.events import EpochEnd, Moment, Observer, Stateful, StepEnd, TrainStart
from lookalike.engine.loop import Trainer
from lookalike.engine.messages import Facts
from lookalike.engine.monitor import Monitor
from lookalike.engine.run_log import SELDOM
from lookalike.engine.signals import StopSignals
from lookalike.runs.folder import RunFolder


class Checkpoint(Observer):
    """Saves the state of a training at the end of an epoch and when it is due, and how much of a budget is used."""

    def __init__(
        self, run: RunFolder, facts: Facts, comm: Comm, parts: Sequence[Stateful] = (), budget: Budget | None = None
    ) -> None:
        """`parts` have a state beside the trainer's; the `budget` is that of the clock, where it decides."""
        self.run, self.facts, self.comm, self.parts, self.budget = run, facts, comm, parts, budget
        self.saved = 0  # the step of the last state
        self.saved_at = self.noted_at = -math.inf  # when that was, and when the time was put on record

    def load(self, trainer: Trainer) -> None:
        """Go back to the last checkpoint of the run folder.

        Raises:
            LookalikeError: it cannot be read, or belongs to another architecture.
        """
        state = load_checkpoint(self.run.checkpoint)
        trainer.load(state, self.run.checkpoint)
        for part in self.parts:
            part.restore(state)
        self.saved = trainer.step

    @contextmanager
    def during(self, start: TrainStart) -> Iterator[None]:
        self.saved_at = time.monotonic()
        yield

    def is_due(self) -> bool:
        """Whether so much time has passed that the state is to be saved inside of an epoch."""
        return time.monotonic() - self.saved_at > 60 * self.facts.options.checkpoint_minutes

    def on_step_end(self, end: StepEnd) -> bool:
        if self.comm.first and time.monotonic() - self.noted_at > SELDOM:
            self._note_time()
        return False

    def on_epoch_end(self, end: EpochEnd) -> bool:
        # where it ended early it was saved in the middle of the epoch, so that the run can go on there
        if not end.early and not (self.facts.timed and not end.last and self._is_short()):
            self.save(end)
        return False

    def _is_short(self) -> bool:
        """Whether an epoch by the clock is too short for a checkpoint: there may be hundreds, and nobody wants to wait.

        The first process's clock says so for all, as they save together.
        """
        return self.comm.objects(time.monotonic() - self.saved_at < SELDOM)[0]

    def save(self, end: Moment) -> None:
        """Write the checkpoint; only finite losses get this far. A full disk is told, and ends nothing."""
        state = end.state()
        if self.comm.first:
            for part in self.parts:
                state |= part.checkpoint_state()
            with unless_full(tell, f"the state after step {end.step:,} is not saved"):
                save_checkpoint(self.run.checkpoint, state)
                self.saved = end.step
            self._note_time()
        self.saved_at = time.monotonic()

    def _note_time(self) -> None:
        """Put on record how much of the budget is used, for a start after this one."""
        self.noted_at = time.monotonic()
        if self.budget is not None:
            with unless_full(lambda _: None, ""):  # it is told where a state is not saved
                self.run.update(used=self.budget.used())


class StopSignal(Observer):
    """Stops a training when a signal has reached any of its processes; saves it when the first one's clock says so."""

    def __init__(
        self, signals: StopSignals, checkpoint: Checkpoint, monitor: Monitor | None, graceful: bool = False
    ) -> None:
        """`graceful`: SIGINT ends the training with all that belongs to an end; a `monitor` looks once more then."""
        self.signals, self.checkpoint, self.monitor, self.graceful = signals, checkpoint, monitor, graceful
        self.comm = checkpoint.comm

    def on_step_end(self, end: StepEnd) -> bool:
        if end.last:  # what is due now is due at the end of the epoch, which saves as well
            return False
        number, due = self._agreed()
        if number is not None:
            return self._stop(end, number)
        if due:
            self.checkpoint.save(end)
        return False

    def on_epoch_end(self, end: EpochEnd) -> bool:
        number, _ = self._agreed()
        if number is None or end.last:
            return False
        self._stop(end, number)
        if self.monitor is not None and self.monitor.looked_at != end.step:
            self.monitor.look(replace(end, early=True, targets_NH=None))
        return True

    def _agreed(self) -> tuple[int | None, bool]:
        """A signal that reached any of the processes, and whether the first one's clock says to save."""
        flags = torch.tensor([[self.signals.number or 0, self.checkpoint.is_due()]])
        signals, dues = self.comm.gather(flags).unbind(1)
        return int(signals.max()) or None, bool(dues[0])

    def _stop(self, end: Moment, number: int) -> bool:
        """Save; True where the training ends here, as that was asked for kindly.

        Raises:
            Interrupted: anything else that asks to stop.
        """
        checkpoint, comm = self.checkpoint, self.comm
        checkpoint.save(end)
        if not bool(comm.gather(torch.tensor([checkpoint.saved == end.step]))[0]):  # the first one writes it
            disk.release(checkpoint.run)  # the space of the weights is worth more to a state that holds them
            checkpoint.save(end)
        if self.graceful and number == signal.SIGINT and comm.size == 1:
            tell(messages.ended(checkpoint.facts, end))
            return True
        words = messages.stopped(checkpoint.facts, end, checkpoint.saved, checkpoint.run, number)
        raise Interrupted(words if comm.first else "", number)
