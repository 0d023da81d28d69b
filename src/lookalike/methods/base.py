"""What a method is: a plan, an embedding and a loss. Everything else is the engine's.

The engine cuts the graph at the projections z: `embed` is heavy and works row by row, `loss` is light
and may couple all rows. A method therefore never knows about chunks or checkpoints; of other processes it knows
what `Ranks` offers: sums, gathered values, and which rows of the collection are its own.

A module of this room offers `Options` (a dataclass that inherits `TrainOptions`) and one `Method`
named `Learner`. Axes: N images, B images of a batch, V views, R = B * V rows, P projection size,
H heads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lookalike.core import rng
from lookalike.core.plan import Plan
from lookalike.core.ranks import ALONE, Ranks


class Collection(Protocol):
    """The training images as a method sees them when it plans an epoch."""

    labels_N: Tensor | None
    """int64 labels, for a method with `needs_labels`; None for every other."""

    @property
    def n(self) -> int:
        """Their number."""
        ...

    def outputs(self, forward: Callable[[Tensor], Tensor]) -> Tensor:
        """`forward` of the images that are this process's own (`Ranks.own`; alone, all N), float32 [N, P]: in their
        order, un-augmented, eval mode; on the training device where there is ample room, else on the CPU."""
        ...

    def view_outputs(self, forward: Callable[[Tensor], Tensor], epoch: int, view: int) -> Tensor:
        """The same for one view of each image, as training would see it: train mode, no gradient."""
        ...


class Method(nn.Module, ABC):
    """One way to learn. `encoder` is what remains after training."""

    views = 2
    """Augmented views of each image in a batch, of full size."""
    small_views = 0
    """Further views of `small_size` pixels (multi-crop)."""
    small_size = 0
    small_area = (0.0, 0.0)
    """Area of the small views, as fractions of the image's."""
    needs_labels = False
    """Whether labels are what it learns from."""
    finds_clusters = False
    """Whether the targets of its plans are clusters that it found."""

    divided: tuple[str, ...] = ()
    """Buffers [V, own rows, ...] of which every process has its own rows; a checkpoint holds the whole."""

    def __init__(self, encoder: nn.Module, options: Any, n: int, classes: int = 0, ranks: Ranks = ALONE) -> None:
        """`n` training images; `classes` is 0 unless the method needs labels."""
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.ranks = ranks

    @abstractmethod
    def plan(self, epoch: int, data: Collection) -> Plan:
        """Which training images, in what order, told apart by what; called once an epoch."""

    @abstractmethod
    def embed(self, x_RCHW: Tensor) -> Tensor:
        """Projections [R, P] of normalised images, row by row (BatchNorm apart)."""

    @abstractmethod
    def loss(self, z_BVP: Tensor, targets_BH: Tensor) -> Tensor:
        """The scalar loss of projections; a pure function.

        Of several processes each has the same number of images, and returns its share: the shares add up to the
        loss of all images, and the gradient with respect to its own projections is that of the whole.
        """

    def chance_loss(self, batch_size: int) -> float | None:
        """The loss of a network that tells nothing apart, where that is known."""
        return None

    def after_step(self, z_BVP: Tensor, index_B: Tensor) -> None:
        """Called after each step with this process's projections and the rows of their images."""

    def own_settings(self) -> dict[str, dict[str, float]]:
        """Optimiser settings of parameters whose names start so: `lr_factor`, `constant` (no
        schedule), `momentum`, `weight_decay`."""
        return {}


class Projections(nn.Module):
    """A method's projections as a network of their own: [B, C, S, S], or several such, to [B, P]."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, *x_BCHW: Tensor) -> Tensor:
        outputs = [self.method.embed(x) for x in x_BCHW]
        return torch.cat(outputs) if len(outputs) > 1 else outputs[0]


def shuffle(seed: int, epoch: int, n: int) -> Tensor:
    """The order of an epoch (int64 [n]), a function of seed and epoch."""
    return rng.permutation(seed, "order", epoch, n)


def itself(n: int) -> Tensor:
    """Targets [n, 1] that make every image a class of its own."""
    return torch.arange(n)[:, None]
