"""What a training says of itself, in words."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from lookalike.core.durations import duration
from lookalike.core.words import counted
from lookalike.methods.checks import place_of_loss

if TYPE_CHECKING:
    from lookalike.data.base import Images
    from lookalike.engine.loop import Trainer
    from lookalike.runs.folder import RunFolder


def opening(trainer: Trainer) -> str:
    """What is trained on what, in a line."""
    options, (channels, side, _) = trainer.options, trainer.images.shape
    parameters = sum(p.numel() for p in trainer.backbone.encoder.parameters()) / 1e6
    return (
        f"{counted(trainer.n, 'image')}, {side} x {side} pixels, {counted(channels, 'channel')}; "
        f"{options.encoder} with {parameters:.2f} M parameters; recipe {options.recipe}, views {options.augment}; "
        + _length(trainer)
        + (f" over {counted(trainer.ranks.size, 'process')}" if trainer.ranks.size > 1 else "")
        + (f" in chunks of {trainer.chunk}" if trainer.chunk is not None else "")
        + f"; {options.precision} on {trainer.backbone.device}"
    )


def _length(trainer: Trainer) -> str:
    """How long is trained."""
    batches = f"{counted(trainer.batches, 'batch')} of {trainer.options.batch_size}"
    if trainer.pacing.timed:
        return f"epochs of {batches}, as many as there is time for"
    return f"{counted(trainer.options.epochs, 'epoch')} of {batches}" if trainer.total else "no training (--epochs 0)"


def epoch(trainer: Trainer, number: int) -> str:
    """Which epoch it is, of how many; by the clock, how far the training is."""
    if trainer.pacing.timed:
        return f"epoch {number + 1}, {trainer.pacing.progress(trainer.step):.0%} done"
    return f"epoch {number + 1}/{trainer.options.epochs}"


def _of(trainer: Trainer) -> str:
    """How many steps there will be, where that is known."""
    return "" if trainer.pacing.timed else f" of {trainer.total:,}"


def going_on(trainer: Trainer) -> str:
    """Where a run goes on from."""
    number = trainer.step // trainer.batches + 1
    if trainer.pacing.timed:
        return f"going on after step {trainer.step:,}, in epoch {number}"
    return f"going on at epoch {number} of {trainer.options.epochs} (step {trainer.step:,} of {trainer.total:,})"


def line(trainer: Trainer, number: int) -> str:
    """The live line."""
    chance = trainer.method.chance_loss(trainer.options.batch_size)
    return (
        f"{epoch(trainer, number)}  step {trainer.step:,}{'' if trainer.pacing.timed else f'/{trainer.total:,}'}  "
        f"{trainer.speed:,.0f} images/s  loss {trainer.loss:.3f}"
        + (f" (chance {chance:.3f})" if chance is not None else "")
        + trainer.seen
        + trainer.groups
        + f"  {duration(trainer.left(trainer.speed))} left"
    )


def not_finite(trainer: Trainer, value: float) -> str:
    """Why a run stopped whose loss is no number, and what to change."""
    path, options, place = trainer.run.checkpoint, trainer.options, place_of_loss(trainer.method)
    good = f"the last good checkpoint is {path}" if path.exists() else "there is no checkpoint yet"
    return (
        f"the loss became {value} at step {trainer.step:,}{_of(trainer)}; {good}. Likely causes: a learning "
        f"rate too high (--lr {options.lr}), a warm-up too short (--warmup {options.warmup}), a temperature near 0, or "
        f"weights in --init that are not finite.{' The loss is at ' + place + '.' if place else ''}"
    )


def before_training(run: RunFolder, images: Images, number: int) -> str:
    """That a run was stopped before its first step, and what of it stays."""
    kept = [f"the run folder {run.path}"]
    if images.listed is not None:
        kept.append("the decoded images")
    if run.report.exists():
        kept.append(f"the page {run.report}")
    return (
        f"stopped by {signal.Signals(number).name} before the first step; kept: {', '.join(kept)}.\n"
        f"Go on with the same command, or: lookalike train --config {run.config}"
    )


def stopped(trainer: Trainer, number: int) -> str:
    """That a signal stopped the run, and how it goes on; of several processes the first knows what is saved."""
    saved = "the state is saved"
    if trainer.saved != trainer.step and trainer.ranks.first:
        saved = f"the disk is full, and the last state that is saved is that after step {trainer.saved:,}"
    return (
        f"stopped by {signal.Signals(number).name} after step {trainer.step:,}{_of(trainer)}; {saved}.\n"
        f"Go on with the same command, or: lookalike train --config {trainer.run.config}"
    )


def ended(trainer: Trainer) -> str:
    """That the training ends early, with all that belongs to an end."""
    return (
        f"the training ends here, after step {trainer.step:,}{_of(trainer)}, as you asked; what comes after it "
        "is still done (Ctrl-C again stops at once). The same command later goes on with the training."
    )
