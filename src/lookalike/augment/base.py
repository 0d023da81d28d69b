"""What an augmentation operation is, and how a recipe strings operations together.

An operation first turns uniform numbers into parameters (`draw`, a few numbers per image, on the
CPU) and then is a pure function of images and parameters (`apply`, batched, on any device). Axes: B
images, C channels, H rows, W columns; images are float32 in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from lookalike.core import rng
from lookalike.core.arithmetic import outside_autocast
from lookalike.core.resample import central_boxes, resized_crop


class Operation(Protocol):
    """One batched augmentation."""

    @property
    def draws(self) -> int:
        """Uniform numbers needed per image and view."""
        ...

    def draw(self, u_BU: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, ...]:
        """Parameters from uniform numbers [B, draws] for images of shape (C, H, W); on the CPU."""
        ...

    @property
    def apply(self) -> Callable[..., Tensor]:
        """The operation itself, of images float32 [B, C, H, W] in [0, 1] and of what `draw` gives, to such images."""
        ...


@runtime_checkable
class CanvasOperation(Operation, Protocol):
    """An operation that may come while images of differing size lie in the upper left corners of canvases."""

    def on_canvas(self, x_BCHW: Tensor, u_BU: Tensor, sizes_B2: Tensor) -> tuple[Tensor, Tensor | None]:
        """The operation on images of these heights and widths, and their sizes after it.

        The sizes are None where the images are of one size now and fill what is returned.
        """
        ...


Merge = Callable[[Operation, Operation], Operation | None]


@runtime_checkable
class InPlaceOperation(Operation, Protocol):
    """An operation that can write its result over its images."""

    @property
    def apply_(self) -> Callable[..., Tensor]:
        """`apply`, where the images are needed no more."""
        ...


@dataclass(frozen=True)
class At:
    """What the random numbers of views are a function of; the names are those of `Recipe.__call__`."""

    seed: int
    epoch: int
    index_B: Tensor
    view: int


class Recipe:
    """Operations in order, giving random views of images.

    Operation k reads its numbers from a stream of its own (purpose "augment/k"), so changing the
    parameters of one operation leaves what the others draw untouched.
    """

    def __init__(self, operations: Sequence[Operation], merge: Merge | None = None) -> None:
        """`merge` gives an operation in place of two that follow one another, which draws what they do, or None."""
        self.operations = tuple(operations)
        self.steps: list[Operation] = []
        """What is done at once: an operation, or one that stands for two."""
        for operation in operations:
            both = merge(self.steps[-1], operation) if merge and self.steps else None
            if both is not None:
                self.steps.pop()
            self.steps.append(both or operation)

    @torch.no_grad()
    @outside_autocast
    def __call__(
        self,
        images_BCHW: Tensor,
        *,
        seed: int,
        epoch: int,
        index_B: Tensor,
        view: int,
        sizes_B2: Tensor | None = None,
        size: int | None = None,
    ) -> Tensor:
        """Views of `images_BCHW` (uint8 on any device), float32 in [0, 1].

        Args:
            images_BCHW: the images, or canvases with an image in the upper left corner of each.
            seed: of the run.
            epoch: of the training.
            index_B: int64, CPU: what the images are called. The view of an image depends on (seed, epoch, its
                index, view) and on nothing else.
            view: number of the view.
            sizes_B2: integers, CPU: height and width of the image on each canvas; None where it fills it.
            size: side of the square that a view is, where no operation makes it one; None for that of the images.
        """
        return self._views(images_BCHW, At(seed, epoch, index_B, view), sizes_B2, size)

    def _views(self, images_BCHW: Tensor, at: At, sizes_B2: Tensor | None, size: int | None) -> Tensor:
        if sizes_B2 is None and size is not None and tuple(images_BCHW.shape[2:]) != (size, size):
            sizes_B2 = torch.tensor([images_BCHW.shape[2:]]).expand(len(images_BCHW), 2)
        x_BCHW, ours = images_BCHW, False  # whether x may be written to
        counts = {f"augment/{k}": operation.draws for k, operation in enumerate(self.operations)}
        u_BU = rng.uniforms(at.seed, counts, at.epoch, at.index_B, at.view)
        drawn = u_BU.split([step.draws for step in self.steps], 1)
        for operation, u_BU in zip(self.steps, drawn, strict=True):
            x_BCHW, ours = as_float(x_BCHW), ours or x_BCHW.dtype == torch.uint8
            if sizes_B2 is not None and isinstance(operation, CanvasOperation):
                x_BCHW, sizes_B2 = operation.on_canvas(x_BCHW, u_BU, sizes_B2)
                ours = True
                continue
            if sizes_B2 is not None:
                x_BCHW, sizes_B2, ours = _squares(x_BCHW, sizes_B2, size), None, True
            channels, height, width = x_BCHW.shape[1:]
            apply = operation.apply_ if ours and isinstance(operation, InPlaceOperation) else operation.apply
            x_BCHW, ours = apply(x_BCHW, *operation.draw(u_BU, (channels, height, width))), True
        x_BCHW = as_float(x_BCHW)
        return x_BCHW if sizes_B2 is None else _squares(x_BCHW, sizes_B2, size)


def _squares(x_BCHW: Tensor, sizes_B2: Tensor, size: int | None) -> Tensor:
    """The central squares of images on canvases."""
    return resized_crop(x_BCHW, central_boxes(sizes_B2), size or x_BCHW.shape[-1])


def as_float(x_BCHW: Tensor) -> Tensor:
    """uint8 in 0..255 as float32 in [0, 1]; floating images are returned as they are."""
    return x_BCHW.to(torch.float32).div_(255.0) if x_BCHW.dtype == torch.uint8 else x_BCHW


def chosen(mask_B: Tensor, device: torch.device) -> Tensor:
    """Positions where a CPU mask is true, on `device`.

    Found on the CPU on purpose: asking a GPU tensor would wait for the GPU.
    """
    return mask_B.nonzero()[:, 0].to(device, non_blocking=True)
