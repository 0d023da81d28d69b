"""What a transform is, and how an augmentation composes transforms.

A transform first turns uniform numbers into parameters (`sample_params`, a few numbers per image, on the
CPU) and then is a pure function of images and parameters (`forward`, batched, on any device). Axes: B
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


class Transform(Protocol):
    """One batched operation with random parameters."""

    @property
    def num_uniforms(self) -> int:
        """Uniform numbers needed per image and view."""
        ...

    def sample_params(self, u_BU: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, ...]:
        """Parameters from uniform numbers [B, num_uniforms] for images of shape (C, H, W); on the CPU."""
        ...

    @property
    def forward(self) -> Callable[..., Tensor]:
        """The operation itself: (images, parameters of `sample_params`) -> images, float32 [B, C, H, W] in [0, 1]."""
        ...


@runtime_checkable
class PaddedTransform(Transform, Protocol):
    """A transform that works on padded images of differing size."""

    def forward_padded(self, x_BCHW: Tensor, u_BU: Tensor, sizes_B2: Tensor) -> tuple[Tensor, Tensor | None]:
        """The operation on images of these heights and widths, and their sizes after it.

        The sizes are None where the images are of one size now and fill what is returned.
        """
        ...


Merge = Callable[[Transform, Transform], Transform | None]


@runtime_checkable
class InPlaceTransform(Transform, Protocol):
    """A transform that can write its result over its images."""

    @property
    def forward_(self) -> Callable[..., Tensor]:
        """`forward`, where the images are needed no more."""
        ...


@dataclass(frozen=True)
class At:
    """What the random numbers of views are a function of; the names are those of `Augmentation.__call__`."""

    seed: int
    epoch: int
    index_B: Tensor
    view: int


class Augmentation:
    """Operations in order, giving random views of images.

    Operation k reads its numbers from a stream of its own (purpose "augment/k"), so changing the
    parameters of one operation leaves what the others draw untouched.
    """

    def __init__(self, operations: Sequence[Transform], merge: Merge | None = None) -> None:
        """`merge` gives an operation in place of two that follow one another, which draws what they do, or None."""
        self.operations = tuple(operations)
        self.steps: list[Transform] = []
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
            images_BCHW: the images, or padded images: each in the upper left corner, with zeros elsewhere.
            seed: of the run.
            epoch: of the training.
            index_B: int64, CPU: what the images are called. The view of an image depends on (seed, epoch, its
                index, view) and on nothing else.
            view: number of the view.
            sizes_B2: integers, CPU: height and width of each image without padding; None where no image is padded.
            size: side of the square that a view is, where no operation makes it one; None for that of the images.
        """
        return self._views(images_BCHW, At(seed, epoch, index_B, view), sizes_B2, size)

    def _views(self, images_BCHW: Tensor, at: At, sizes_B2: Tensor | None, size: int | None) -> Tensor:
        if sizes_B2 is None and size is not None and tuple(images_BCHW.shape[2:]) != (size, size):
            sizes_B2 = torch.tensor([images_BCHW.shape[2:]]).expand(len(images_BCHW), 2)
        x_BCHW, ours = images_BCHW, False  # whether x may be written to
        counts = {f"augment/{k}": operation.num_uniforms for k, operation in enumerate(self.operations)}
        u_BU = rng.uniforms(at.seed, counts, at.epoch, at.index_B, at.view)
        drawn = u_BU.split([step.num_uniforms for step in self.steps], 1)
        for operation, u_BU in zip(self.steps, drawn, strict=True):
            x_BCHW, ours = as_float(x_BCHW), ours or x_BCHW.dtype == torch.uint8
            if sizes_B2 is not None and isinstance(operation, PaddedTransform):
                x_BCHW, sizes_B2 = operation.forward_padded(x_BCHW, u_BU, sizes_B2)
                ours = True
                continue
            if sizes_B2 is not None:
                x_BCHW, sizes_B2, ours = _center_crops(x_BCHW, sizes_B2, size), None, True
            channels, height, width = x_BCHW.shape[1:]
            forward = operation.forward_ if ours and isinstance(operation, InPlaceTransform) else operation.forward
            x_BCHW, ours = forward(x_BCHW, *operation.sample_params(u_BU, (channels, height, width))), True
        x_BCHW = as_float(x_BCHW)
        return x_BCHW if sizes_B2 is None else _center_crops(x_BCHW, sizes_B2, size)


Recipe = Augmentation
"""The former name, which stays."""


def _center_crops(x_BCHW: Tensor, sizes_B2: Tensor, size: int | None) -> Tensor:
    """The center crops of padded images."""
    return resized_crop(x_BCHW, central_boxes(sizes_B2), size or x_BCHW.shape[-1])


def as_float(x_BCHW: Tensor) -> Tensor:
    """uint8 in 0..255 as float32 in [0, 1]; floating images are returned as they are."""
    return x_BCHW.to(torch.float32).div_(255.0) if x_BCHW.dtype == torch.uint8 else x_BCHW


def chosen(mask_B: Tensor, device: torch.device) -> Tensor:
    """Positions where a CPU mask is true, on `device`.

    Found on the CPU on purpose: asking a GPU tensor would wait for the GPU.
    """
    return mask_B.nonzero()[:, 0].to(device, non_blocking=True)
