"""What a training says of itself, in words."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from lookalike.core.durations import duration
from lookalike.core.words import counted

if TYPE_CHECKING:
    from lookalike.engine.loop import Trainer


def opening(trainer: Trainer) -> str:
    """What is trained on what, in a line."""
    options, (channels, side, _) = trainer.options, trainer.images.shape
    parameters = sum(p.numel() for p in trainer.backbone.encoder.parameters()) / 1e6
    return (
        f"{counted(trainer.n, 'image')}, {side} x {side} pixels, {counted(channels, 'channel')}; "
        f"{options.encoder} with {parameters:.2f} M parameters; recipe {options.recipe}, views {options.augment}; "
        + (
            f"{counted(options.epochs, 'epoch')} of {counted(trainer.batches, 'batch')} of {options.batch_size}"
            if trainer.total
            else "no training (--epochs 0)"
        )
        + (f" over {counted(trainer.ranks.size, 'process')}" if trainer.ranks.size > 1 else "")
        + (f" in chunks of {trainer.chunk}" if trainer.chunk is not None else "")
        + f"; {options.precision} on {trainer.backbone.device}"
    )


def line(trainer: Trainer, epoch: int) -> str:
    """The live line."""
    chance = trainer.method.chance_loss(trainer.options.batch_size)
    left = (trainer.total - trainer.step) * trainer.options.batch_size / trainer.speed
    return (
        f"epoch {epoch + 1}/{trainer.options.epochs}  step {trainer.step:,}/{trainer.total:,}  "
        f"{trainer.speed:,.0f} images/s  loss {trainer.loss:.3f}"
        + (f" (chance {chance:.3f})" if chance is not None else "")
        + trainer.seen
        + trainer.groups
        + f"  {duration(left)} left"
    )


def not_finite(trainer: Trainer, value: float) -> str:
    """Why a run stopped whose loss is no number, and what to change."""
    path, options = trainer.run.checkpoint, trainer.options
    good = f"the last good checkpoint is {path}" if path.exists() else "there is no checkpoint yet"
    return (
        f"the loss became {value} at step {trainer.step:,} of {trainer.total:,}; {good}. Likely causes: a learning "
        f"rate too high (--lr {options.lr}), a warm-up too short (--warmup {options.warmup}), a temperature near 0, or "
        "weights in --init that are not finite."
    )


def stopped(trainer: Trainer, number: int) -> str:
    """That a signal stopped the run, and how it goes on; of several processes the first knows what is saved."""
    saved = "the state is saved"
    if trainer.saved != trainer.step and trainer.ranks.first:
        saved = f"the disk is full, and the last state that is saved is that after step {trainer.saved:,}"
    return (
        f"stopped by {signal.Signals(number).name} after step {trainer.step:,} of {trainer.total:,}; {saved}.\n"
        f"Go on with the same command, or: lookalike train --config {trainer.run.config}"
    )


def ended(trainer: Trainer) -> str:
    """That the training ends early, with all that belongs to an end."""
    return (
        f"the training ends here, after step {trainer.step:,} of {trainer.total:,}, as you asked; what comes after it "
        "is still done (Ctrl-C again stops at once). The same command later goes on with the training."
    )
