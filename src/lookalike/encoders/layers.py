"""Layers that several encoders share."""

from __future__ import annotations

from torch import nn

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
