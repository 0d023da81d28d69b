"""Parameter groups and the optimiser of a run."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from lookalike.optim.lars import LARS

_ADAMW_BETAS = (0.9, 0.95)  # the usual second moment of contrastive runs: 0.999 forgets too slowly for short ones


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and kernels, which decay; then biases and normalisation parameters, which do not.

    Each group has `names` beside `params`, in the same order.
    """
    named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    decayed = [(name, p) for name, p in named if p.ndim > 1]
    plain = [(name, p) for name, p in named if p.ndim <= 1]
    return [
        {"params": [p for _, p in part], "names": [name for name, _ in part], "weight_decay": decay}
        for part, decay in ((decayed, weight_decay), (plain, 0.0))
        if part
    ]


def build_optimizer(
    module: nn.Module, name: str, lr: float, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """`sgd` (Nesterov), `lars` or `adamw` over the groups of a module."""
    groups = parameter_groups(module, weight_decay)
    if name == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0)
    if name == "lars":
        return LARS(groups, lr=lr, momentum=momentum)
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=lr, betas=_ADAMW_BETAS)
    raise ValueError(f"optimizer must be sgd, lars or adamw, got {name!r}")
