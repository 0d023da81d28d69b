"""Normalisation: subtract the mean and divide by the standard deviation of each channel."""

from __future__ import annotations

import torch
from torch import Tensor


def normalize(x_BCHW: Tensor, mean_C: Tensor, std_C: Tensor) -> Tensor:
    """(x - mean) / std per channel; float images in [0, 1]."""
    return (x_BCHW - mean_C.view(1, -1, 1, 1)) / std_C.view(1, -1, 1, 1)


def channel_statistics(images_NCHW: Tensor, block: int = 4096) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [C] (float32, of values in [0, 1]) of uint8 images.

    Sums of integers are exact in float64, so blocks and order do not matter. A constant channel gets
    standard deviation 1: there is nothing to scale.
    """
    channels = images_NCHW.shape[1]
    total = torch.zeros(channels, dtype=torch.float64)
    squares = torch.zeros(channels, dtype=torch.float64)
    for start in range(0, len(images_NCHW), block):
        x = images_NCHW[start : start + block].transpose(0, 1).reshape(channels, -1).cpu()
        histogram = torch.stack([torch.bincount(row.long(), minlength=256) for row in x]).double()
        levels = torch.arange(256, dtype=torch.float64)
        total += histogram @ levels
        squares += histogram @ levels**2
    count = images_NCHW.numel() / channels
    mean = total / count
    variance = (squares / count - mean**2).clamp_min(0.0)
    std = torch.where(variance > 0, variance.sqrt() / 255.0, 1.0)
    return (mean / 255.0).float(), std.float()
