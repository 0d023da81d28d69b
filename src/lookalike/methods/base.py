"""What a method is: a plan, an embedding and a loss. Everything else is the engine's.

The engine cuts the graph at the projections z: `embed` is heavy and works row by row, `loss` is light
and may couple all rows. A method therefore never knows about chunks, processes or checkpoints.

A module of this room offers `Options` (a dataclass that inherits `TrainOptions`) and one `Method`
named `Learner`. Axes: N images, B images of a batch, V views, R = B * V rows, P projection size,
H heads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from lookalike.core import rng
from lookalike.core.plan import Plan


class Method(nn.Module, ABC):
    """One way to learn. `encoder` is what remains after training."""

    views = 2
    """Augmented views of each image in a batch."""

    def __init__(self, encoder: nn.Module, options: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options

    @abstractmethod
    def plan(self, epoch: int, n: int) -> Plan:
        """Which of the n training images, in what order, told apart by what; called once an epoch."""

    @abstractmethod
    def embed(self, x_RCHW: Tensor) -> Tensor:
        """Projections [R, P] of normalised images, row by row (BatchNorm apart)."""

    @abstractmethod
    def loss(self, z_BVP: Tensor, targets_BH: Tensor) -> Tensor:
        """The scalar loss of projections; a pure function."""

    def chance_loss(self, batch_size: int) -> float | None:
        """The loss of a network that tells nothing apart, where that is known."""
        return None

    def after_step(self, z_BVP: Tensor, index_B: Tensor) -> None:
        """Called after each step with the projections just used and the rows of their images."""


def shuffle(seed: int, epoch: int, n: int) -> Tensor:
    """The order of an epoch (int64 [n]), a function of seed and epoch."""
    return rng.permutation(seed, "order", epoch, n)


def itself(n: int) -> Tensor:
    """Targets [n, 1] that make every image a class of its own."""
    return torch.arange(n)[:, None]
