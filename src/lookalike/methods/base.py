"""What a method is: views, a forward pass and a loss. Everything else is the engine's.

The engine cuts the graph at what `forward` returns: `forward` is heavy and works row by row, `loss` is light and may
couple all rows. So a method knows nothing of chunks, processes or checkpoints. A loss that is right in one process is
right in several where it uses `comm`: `comm.all_reduce` adds up over processes, and its gradient does too;
`comm.share(value)` makes of a mean, or of a value that all processes have, this process's share of the loss.

A method is a subclass of `Method` with a `title`, in a file of this package or in one of your own. Axes: N images, B
images of a batch, V views, R = B * V rows, P projection size, H heads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from lookalike.augment.recipes import Builder
from lookalike.core import rng
from lookalike.core.comm import SINGLE, Comm
from lookalike.core.earlier_names import also_called
from lookalike.core.options import OWN_VIEWS, TrainOptions
from lookalike.core.plan import Plan


@dataclass(frozen=True)
class View:
    """One augmented view of each image in a batch, or several of one kind."""

    augment: str | Builder | None = None
    """A name that `--augment` takes, or a function that makes the operations; None: what `--augment` says."""
    count: int = 1
    """Views of this kind."""
    size: int | None = None
    """Pixels of a side; None: as `--image-size` and `--view-scale` say."""
    area: tuple[float, float] | None = None
    """Smallest and largest crop, as fractions of the image's area; None: `--crop-min` or the augmentation's, and 1."""

    def __post_init__(self) -> None:
        """ValueError: no such view can be made."""
        if not (self.augment is None or isinstance(self.augment, str) or callable(self.augment)):
            raise ValueError(f"View(augment={self.augment!r}): it must be a name that --augment takes, or a function")
        if self.count < 1 or (self.size is not None and self.size < 1):
            raise ValueError(f"View(count={self.count}, size={self.size}): both must be at least 1")
        if self.area is not None and not 0 < self.area[0] <= self.area[1] <= 1:
            raise ValueError(f"View(area={self.area}): it must be (smallest, largest), fractions in (0, 1]")


Outputs = Any
"""What `forward` returns: a tensor, or a NamedTuple of tensors that each method defines for itself."""


@dataclass(frozen=True)
class Step:
    """Where a training is: plain numbers of the CPU, so that nobody has to wait for a GPU to know them."""

    index: int
    """The number of the step, from 0."""
    total: int
    """Steps of the whole training; with `--budget` an estimate that changes."""
    fraction: float
    """How much of the training is behind it, in [0, 1]."""
    epoch: int
    """The number of the epoch, from 0."""
    outputs: Outputs = None
    """In `on_step_end`: what `forward` returned, detached, each tensor [B, V, ...] of this process's images."""
    images_B: Tensor | None = None
    """In `on_step_end`: the rows (int64, CPU) of these images among the training images."""

    def ended(self, outputs: Outputs, images_B: Tensor) -> Step:
        """The same step when it is done."""
        return replace(self, outputs=outputs, images_B=images_B)


class Collection(Protocol):
    """The training images as a method sees them when it plans an epoch."""

    labels_N: Tensor | None
    """int64 labels, for a method with `needs_labels`; None for every other."""

    @property
    def n(self) -> int:
        """Their number."""
        ...

    def outputs(self, forward: Callable[[Tensor], Tensor]) -> Tensor:
        """`forward` of the images of this process (`Comm.local_slice`; in a single process all N), float32 [N, P]: in
        their order, un-augmented, eval mode; on the training device where there is ample room, else on the CPU."""
        ...

    def view_outputs(self, forward: Callable[[Tensor], Tensor], epoch: int, view: int) -> Tensor:
        """The same for one view of each image, as training would see it: train mode, no gradient."""
        ...


class Method(nn.Module, ABC):
    """One way to learn. `encoder` is what remains after training."""

    title: ClassVar[str] = ""
    """The name that people read; default: that of the class."""
    Options: ClassVar[Any] = TrainOptions
    """Its options, a dataclass that inherits `TrainOptions`: flags, TOML keys and arguments at once."""
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    """Defaults of its options by the name of a preset, such as "mnist"; "*" for all of them. They win over the values
    that a preset has for every method, and the user wins over both."""
    needs_labels: ClassVar[bool] = False
    """Whether labels are what it learns from."""
    finds_clusters: ClassVar[bool] = False
    """Whether the targets of its plans are clusters that it found."""
    demo_order: ClassVar[int | None] = None
    """Its place in `lookalike demo`; None: the demonstration leaves it out."""
    errors_left: ClassVar[float | None] = 0.5
    """Share of an untrained network's kNN errors on the bundled digits that 40 epochs may leave; a test asks. None: it
    takes longer than that to learn anything there."""

    views: Sequence[View] = (View(count=2),)
    """The views of each image in a batch; `setup` may set others, by the options."""
    views_together: ClassVar[bool] = True
    """Whether views of one size go through the network as one batch, so that BatchNorm normalises them together."""
    sharded_buffers: tuple[str, ...] = ()
    """Buffers [V, own rows, ...] of which every process has its own rows; a checkpoint holds the whole."""
    step: Step = Step(0, 1, 0.0, 0)
    """The step under way, for `forward` and `loss`."""

    @also_called("ranks", "comm")
    def __init__(
        self, encoder: nn.Module, options: TrainOptions, n: int, classes: int = 0, comm: Comm = SINGLE
    ) -> None:
        """`n` training images; `classes` is 0 unless the method needs labels; `comm` are the processes."""
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.n, self.classes = n, classes
        self.comm = comm
        """The processes, for `plan` and `on_step_end`."""
        self.setup()

    def __init_subclass__(cls, **rest: object) -> None:
        super().__init_subclass__(**rest)
        if "title" not in cls.__dict__:
            cls.title = cls.__name__
        if "presets" in cls.__dict__ or "views" in cls.__dict__:  # views of its own are meant to be used
            has_own_views = any(isinstance(view, View) and view.augment is not None for view in cls.views)
            common = {"augment": OWN_VIEWS} if has_own_views else {}
            if common or "*" in cls.presets:
                cls.presets = {**cls.presets, "*": common | dict(cls.presets.get("*", {}))}

    def setup(self) -> None:
        """Make the heads, buffers and `Momentum` copies; `encoder`, `options`, `n` and `classes` are there."""

    @abstractmethod
    def forward(self, x_RCHW: Tensor) -> Outputs:
        """What the loss needs of normalised images, row by row (BatchNorm apart): a tensor [R, ...], or a NamedTuple of
        such. Every parameter that learns is used here, and gradients reach it through what requires them; a tensor
        that requires none, as of a `Momentum` copy, reaches the loss as it is."""

    @abstractmethod
    def loss(self, out: Outputs, targets_BH: Tensor, comm: Comm = SINGLE) -> Tensor:
        """The scalar loss; a pure function, in float32 at least.

        Args:
            out: what `forward` returned for this process's images, each tensor [B, V, ...].
            targets_BH: int64: what the plan says of them.
            comm: the processes. Each has B images and returns its share: the shares add up to the loss of all images,
                and the gradient with respect to its own outputs is that of the whole.
        """

    def plan(self, epoch: int, data: Collection) -> Plan:
        """Which training images, in what order, told apart by what; called once an epoch. Here: all of them, shuffled,
        and each a class of its own."""
        return Plan(shuffle(self.options.seed, epoch, data.n), itself(data.n))

    def chance_loss(self, batch_size: int) -> float | None:
        """The loss of a network that tells nothing apart, where that is known."""
        return None

    def on_gradients(self, step: Step) -> None:
        """Called before each step of the optimiser, when gradients are those of the whole batch."""

    def on_step_end(self, step: Step) -> None:
        """Called after each step of the optimiser, with its outputs: to move a `Momentum` copy or fill a memory."""

    def param_groups(self) -> dict[str, dict[str, float]]:
        """Optimiser settings of parameters whose names start so: `lr_factor`, `constant` (no
        schedule), `momentum`, `weight_decay`."""
        return {}

    @property
    def num_views(self) -> int:
        """Views of an image in a batch, of all kinds."""
        return sum(view.count for view in self.views)

    @property
    def ranks(self) -> Comm:
        """The earlier name of `comm`."""
        return self.comm

    def embed(self, x_RCHW: Tensor) -> Outputs:
        """The earlier name of a call."""
        return self(x_RCHW)


class Projections(nn.Module):
    """A method's outputs as a network of their own: images [B, C, S, S], or several such of other sizes, to rows."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, *x_BCHW: Tensor) -> Outputs:
        outputs = [self.method(x) for x in x_BCHW]
        if len(outputs) == 1:
            return outputs[0]
        return like(outputs[0], [torch.cat(tensors) for tensors in zip(*map(tensors_of, outputs), strict=True)])


def tensors_of(out: Outputs) -> tuple[Tensor, ...]:
    """The tensors that `forward` returned, in order."""
    return (out,) if isinstance(out, Tensor) else tuple(out)


def like(out: Outputs, tensors: Sequence[Tensor]) -> Outputs:
    """Other tensors in the form of `out`: a tensor, or a NamedTuple."""
    if isinstance(out, Tensor):
        return tensors[0]
    return type(out)(*tensors) if hasattr(out, "_fields") else tuple(tensors)


def shuffle(seed: int, epoch: int, n: int) -> Tensor:
    """The order of an epoch (int64 [n]), a function of seed and epoch."""
    return rng.permutation(seed, "order", epoch, n)


def itself(n: int) -> Tensor:
    """Targets [n, 1] that make every image a class of its own."""
    return torch.arange(n)[:, None]
