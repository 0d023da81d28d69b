"""The plan of an epoch: which images, in what order, told apart by what."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Plan:
    """A method's answer at the start of an epoch. Axes: N images, M draws of the epoch, H heads."""

    order_M: Tensor
    """int64, CPU: rows of the training images in the order of training."""
    targets_NH: Tensor
    """int64: what tells image n apart for head h (itself, its label, its cluster)."""
    renewed: tuple[str, ...] = ()
    """Names of parameters re-initialised now; the optimiser forgets what it knew of them."""
    notes: dict[str, float] = field(default_factory=dict)
    """Numbers worth recording, for metrics.jsonl."""
