"""What a training says of itself, in words."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lookalike.core.durations import duration
from lookalike.core.options import TrainOptions
from lookalike.core.words import counted
from lookalike.engine.events import EpochEnd, Moment, NotFinite, StepEnd, TrainStart

if TYPE_CHECKING:
    from lookalike.data.base import Images
    from lookalike.runs.folder import RunFolder


@dataclass(frozen=True)
class Facts:
    """What does not change while a run trains."""

    options: TrainOptions
    shape: tuple[int, int, int]
    """C, H, W of the images."""
    images: int
    """That are trained on."""
    parameters: int
    """Of the encoder."""
    batches: int
    """Of an epoch."""
    timed: bool
    """Whether the clock decides how many steps there are."""
    chance: float | None
    """The loss of a network that tells nothing apart, where that is known."""
    device: str
    processes: int
    place_of_loss: str = ""
    """File and line of the loss of a method of the user's own."""


def opening(facts: Facts, start: TrainStart) -> str:
    """What is trained on what, in a line."""
    options, (channels, side, _) = facts.options, facts.shape
    return (
        f"{counted(facts.images, 'image')}, {side} x {side} pixels, {counted(channels, 'channel')}; "
        f"{options.encoder} with {facts.parameters / 1e6:.2f} M parameters; preset {options.preset}, "
        f"views {options.augment}; "
        + _length(facts, start)
        + (f" over {counted(facts.processes, 'process')}" if facts.processes > 1 else "")
        + (f" in chunks of {start.chunk}" if start.chunk is not None else "")
        + f"; {options.precision} on {facts.device}"
    )


def _length(facts: Facts, start: TrainStart) -> str:
    """How long is trained."""
    batches = f"{counted(facts.batches, 'batch')} of {facts.options.batch_size}"
    if facts.timed:
        return f"epochs of {batches}, as many as there is time for"
    return f"{counted(facts.options.epochs, 'epoch')} of {batches}" if start.total else "no training (--epochs 0)"


def going_on(facts: Facts, start: TrainStart) -> str:
    """Where a run goes on from."""
    number = start.step // facts.batches + 1
    if facts.timed:
        return f"going on after step {start.step:,}, in epoch {number}"
    return f"going on at epoch {number} of {facts.options.epochs} (step {start.step:,} of {start.total:,})"


def line(facts: Facts, end: StepEnd, seen: str, groups: str) -> str:
    """The live line; `seen` and `groups` are what the last look and the last clustering found."""
    return (
        f"{_epoch(facts, end)}  step {end.step:,}{'' if facts.timed else f'/{end.total:,}'}  "
        f"{end.images_per_s:,.0f} images/s{_loss(facts, end.loss)}{seen}{groups}  {_left(end)}"
    )


def epoch(facts: Facts, end: EpochEnd, seen: str, groups: str) -> str:
    """The line of an epoch that is over."""
    words = f"{_epoch(facts, end)}  {end.images_per_s:,.0f} images/s{_loss(facts, end.loss)}{seen}{groups}"
    return words if end.last else f"{words}  {_left(end)}"


def _epoch(facts: Facts, end: Moment) -> str:
    """Which epoch it is, of how many; by the clock, how far the training is."""
    if facts.timed:
        return f"epoch {end.epoch + 1}, {end.progress:.0%} done"
    return f"epoch {end.epoch + 1}/{facts.options.epochs}"


def _loss(facts: Facts, loss: float) -> str:
    return f"  loss {loss:.3f}" + (f" (chance {facts.chance:.3f})" if facts.chance is not None else "")


def _left(end: Moment) -> str:
    return f"{duration(end.seconds_left)} left"


def _of_total(facts: Facts, total: int) -> str:
    """How many steps there will be, where that is known."""
    return "" if facts.timed else f" of {total:,}"


def not_finite(facts: Facts, error: NotFinite, checkpoint: Path) -> str:
    """Why a run stopped whose loss is no number, and what to change."""
    options, place = facts.options, facts.place_of_loss
    good = f"the last good checkpoint is {checkpoint}" if checkpoint.exists() else "there is no checkpoint yet"
    return (
        f"the loss became {error.value} at step {error.step:,}{_of_total(facts, error.total)}; {good}. Likely causes: "
        f"a learning rate too high (--lr {options.lr}), a warm-up too short (--warmup {options.warmup}), a temperature "
        f"near 0, or weights in --init that are not finite.{' The loss is at ' + place + '.' if place else ''}"
    )


def before_training(run: RunFolder, images: Images, number: int) -> str:
    """That a run was stopped before its first step, and what of it stays."""
    files = [f"the run folder {run.path}"]
    if images.listed is not None:
        files.append("the decoded images")
    if run.report.exists():
        files.append(f"the page {run.report}")
    return (
        f"stopped by {signal.Signals(number).name} before the first step; kept: {', '.join(files)}.\n"
        f"Go on with the same command, or: lookalike train --config {run.config}"
    )


def stopped(facts: Facts, end: Moment, saved: int, run: RunFolder, number: int) -> str:
    """That a signal stopped the run, and how it goes on; `saved` is the step of the last state that is saved."""
    words = "the state is saved"
    if saved != end.step:
        words = f"the disk is full, and the last state that is saved is that after step {saved:,}"
    return (
        f"stopped by {signal.Signals(number).name} after step {end.step:,}{_of_total(facts, end.total)}; {words}.\n"
        f"Go on with the same command, or: lookalike train --config {run.config}"
    )


def ended(facts: Facts, end: Moment) -> str:
    """That the training ends early, with all that belongs to an end."""
    return (
        f"the training ends here, after step {end.step:,}{_of_total(facts, end.total)}, as you asked; what comes after "
        "it is still done (Ctrl-C again stops at once). The same command later goes on with the training."
    )
