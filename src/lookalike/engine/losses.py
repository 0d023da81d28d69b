"""The losses of an epoch, read from the device a few at a time, so that a GPU is not waited for at every step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lookalike.core.comm import Comm

_UNREAD = 16  # losses that may wait on a GPU before they are read


class Losses:
    """Adds up the shares of all processes; every one of them calls `add` and `read` alike."""

    def __init__(self, comm: Comm) -> None:
        self.comm = comm
        self.sum, self.count = 0.0, 0
        self.newest = math.nan
        """The newest that was read."""
        self._waiting: list[Tensor] = []

    def reset(self) -> None:
        """Begin an epoch."""
        self.sum, self.count = 0.0, 0

    def add(self, share: Tensor) -> float | None:
        """Take this process's share of a step's loss; gives what `read` gives where it is time to read."""
        self._waiting.append(share)
        return self.read() if len(self._waiting) >= (_UNREAD if share.is_cuda else 1) else None

    def read(self) -> float | None:
        """Read what waits on the device; a GPU is only waited for here. Gives the first value that is not finite."""
        values = self.comm.sum(torch.stack(self._waiting)).tolist() if self._waiting else []
        self._waiting.clear()
        for value in values:
            if not math.isfinite(value):
                return float(value)
            self.sum, self.count, self.newest = self.sum + value, self.count + 1, value
        return None

    @property
    def mean(self) -> float:
        """Of the epoch so far."""
        return self.sum / max(1, self.count)
