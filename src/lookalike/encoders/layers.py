"""Layers that several encoders share."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_GROUPS = 8  # groups of GroupNorm; narrower layers have as many as divide their channels


def normalization(kind: str, channels: int) -> nn.Module:
    """BatchNorm, or GroupNorm for results that do not depend on who shares the batch."""
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    groups = next(g for g in range(_GROUPS, 0, -1) if channels % g == 0)
    return nn.GroupNorm(groups, channels)


def initialize(network: nn.Module, zero_last: tuple[nn.Module, ...]) -> None:
    """He initialisation of convolutions; the last normalisation of each residual branch starts at 0.

    He et al. 2015; Goyal et al. 2017, section 5.1 (every block starts as its shortcut).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    for module in zero_last:
        nn.init.zeros_(module.weight)  # type: ignore[arg-type]  # not None: norms here are affine


def halved(x_BCHW: Tensor) -> Tensor:
    """The averages of 2 x 2 parts, [B, C, H/2, W/2] rounded up; parts at the edge are of what is there.

    On a CPU a gradient comes back in one pass: a quarter of it goes to each pixel of its part, which is a copy as in
    upsampling by nearest neighbours. PyTorch's own clears the map and then adds to it. The bits are the same.
    """
    whole = x_BCHW.shape[2] % 2 == x_BCHW.shape[3] % 2 == 0
    if whole and x_BCHW.device.type == "cpu" and x_BCHW.requires_grad:
        return _Halved.apply(x_BCHW)
    return F.avg_pool2d(x_BCHW, 2, ceil_mode=True)


class _Context(Protocol):
    """What the backward pass needs of the forward pass."""

    size: torch.Size


class _Halved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: _Context, x_BCHW: Tensor) -> Tensor:
        ctx.size = x_BCHW.shape[2:]
        return F.avg_pool2d(x_BCHW, 2)

    @staticmethod
    def backward(ctx: _Context, g_BCHW: Tensor) -> Tensor:
        return F.interpolate(g_BCHW * 0.25, ctx.size)
