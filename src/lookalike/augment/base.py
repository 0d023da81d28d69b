"""What an augmentation operation is, and how a recipe strings operations together.

An operation first turns uniform numbers into parameters (`draw`, a few numbers per image, on the
CPU) and then is a pure function of images and parameters (`apply`, batched, on any device). Axes: B
images, C channels, H rows, W columns; images are float32 in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from lookalike.core import rng


class Operation(Protocol):
    """One batched augmentation."""

    @property
    def draws(self) -> int:
        """Uniform numbers needed per image and view."""
        ...

    def draw(self, u_BU: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, ...]:
        """Parameters from uniform numbers [B, draws] for images of shape (C, H, W); on the CPU."""
        ...

    def apply(self, x_BCHW: Tensor, *params: Any, **named: Any) -> Tensor:
        """The operation itself; float32 in [0, 1] to float32 in [0, 1]."""
        ...


class Recipe:
    """Operations in order, giving random views of images.

    Operation k reads its numbers from a stream of its own (purpose "augment/k"), so changing the
    parameters of one operation leaves what the others draw untouched.
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.operations = tuple(operations)

    def __call__(self, images_BCHW: Tensor, *, seed: int, epoch: int, index_B: Tensor, view: int) -> Tensor:
        """Views of `images_BCHW` (uint8 on any device), float32 in [0, 1].

        `index_B` (int64, CPU) names the images in the data set: the view of an image depends on
        (seed, epoch, its index, view) and on nothing else.
        """
        x_BCHW = images_BCHW
        channels, height, width = images_BCHW.shape[1:]
        for k, operation in enumerate(self.operations):
            u_BU = rng.uniform(seed, f"augment/{k}", epoch, index_B, view, operation.draws)
            x_BCHW = operation.apply(as_float(x_BCHW), *operation.draw(u_BU, (channels, height, width)))
        return as_float(x_BCHW)


def as_float(x_BCHW: Tensor) -> Tensor:
    """uint8 in 0..255 as float32 in [0, 1]; floating images are returned as they are."""
    return x_BCHW.to(torch.float32) / 255.0 if x_BCHW.dtype == torch.uint8 else x_BCHW


def chosen(mask_B: Tensor, device: torch.device) -> Tensor:
    """Positions where a CPU mask is true, on `device`.

    Found on the CPU on purpose: asking a GPU tensor would wait for the GPU.
    """
    return mask_B.nonzero()[:, 0].to(device, non_blocking=True)


def per_image(value_B: Tensor, like: Tensor) -> Tensor:
    """One number per image as [B, 1, 1, 1] on the device and in the dtype of `like`."""
    return value_B.to(like.device, like.dtype, non_blocking=True).view(-1, 1, 1, 1)
