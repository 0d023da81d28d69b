"""The plan of an epoch: which images, in what order, told apart by what."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lookalike.core.comm import SINGLE, Comm
from lookalike.core.record_types import Event


@dataclass(frozen=True)
class Plan:
    """A method's answer at the start of an epoch. Axes: N images, M draws of the epoch, H heads."""

    order_M: Tensor
    """int64, CPU: rows of the training images in the order of training."""
    targets_NH: Tensor
    """int64: what tells image n apart for head h (itself, its label, its cluster)."""
    reset_params: tuple[str, ...] = ()
    """Names of parameters that were initialised anew for this plan: their optimiser state is stale."""
    metrics: tuple[Event, ...] = ()
    """For the record, where images were clustered for this plan: one dictionary per head."""

    @property
    def renewed(self) -> tuple[str, ...]:
        """The earlier name of `reset_params`."""
        return self.reset_params

    @property
    def notes(self) -> tuple[Event, ...]:
        """The earlier name of `metrics`."""
        return self.metrics

    def batch(self, k: int, size: int, comm: Comm = SINGLE) -> Tensor:
        """Rows among the training images of batch k of `size` images: those that are this process's."""
        share = size // comm.size
        start = k * size + comm.rank * share
        return self.order_M[start : start + share]
