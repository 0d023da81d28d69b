"""Normalisation: subtract the mean and divide by the standard deviation of each channel."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from lookalike.core.arithmetic import outside_autocast

_BLOCK = 2**23  # values that are counted together


def normalize(x_BCHW: Tensor, mean_C: Tensor, std_C: Tensor) -> Tensor:
    """(x - mean) / std per channel; float images in [0, 1]."""
    return (x_BCHW - mean_C.view(1, -1, 1, 1)) / std_C.view(1, -1, 1, 1)


class Blocks(Protocol):
    """What gives uint8 images [N, C, H, W] some rows at a time: a tensor, or what reads them when asked."""

    @property
    def shape(self) -> torch.Size: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Tensor: ...


@outside_autocast
def channel_statistics(images_NCHW: Blocks, block: int | None = None) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [C] (float32, of values in [0, 1]) of uint8 images, `block` at a time.

    Sums of integers are exact in float64, so blocks and order do not matter. A constant channel gets
    standard deviation 1: there is nothing to scale.
    """
    n, channels, height, width = images_NCHW.shape
    block = block or max(1, _BLOCK // (channels * height * width))
    total = torch.zeros(channels, dtype=torch.float64)
    squares = torch.zeros(channels, dtype=torch.float64)
    levels = torch.arange(256, dtype=torch.float64)
    for start in range(0, n, block):
        x = images_NCHW[start : start + block].transpose(0, 1).reshape(channels, -1).cpu()
        histogram = torch.stack([torch.bincount(row.int(), minlength=256) for row in x]).double()
        total += histogram @ levels
        squares += histogram @ levels**2
    count = n * height * width
    mean = total / count
    variance = (squares / count - mean**2).clamp_min(0.0)
    std = torch.where(variance > 0, variance.sqrt() / 255.0, 1.0)
    return (mean / 255.0).float(), std.float()
