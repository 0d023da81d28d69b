"""Parameter groups and the optimiser of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lookalike.core.process import import_compiler
from lookalike.optim.lars import LARS

_ADAMW_BETAS = (0.9, 0.95)  # the usual second moment of contrastive runs: 0.999 forgets too slowly for short ones
_TIDY = 500  # steps between two looks for subnormal numbers


def parameter_groups(
    module: nn.Module, weight_decay: float, overrides: Mapping[str, Mapping[str, float]] | None = None
) -> list[dict[str, object]]:
    """Matrices and kernels, which decay; then biases and normalisation parameters, which do not.

    Each group has `names` beside `params`, in the same order, `lr_factor`, by which the rate is
    multiplied, and `constant`, whether the schedule is left aside. `overrides` holds settings of parameters
    whose names begin with its keys; these make groups of their own.
    """
    overrides = overrides or {}
    groups = []
    for prefix in ("", *overrides):
        settings = dict(overrides.get(prefix, {}))
        decay = settings.pop("weight_decay", weight_decay)
        named = [
            (name, p)
            for name, p in module.named_parameters()
            if p.requires_grad and prefix == next((key for key in overrides if name.startswith(key)), "")
        ]
        decayed = [(name, p) for name, p in named if p.ndim > 1]
        plain = [(name, p) for name, p in named if p.ndim <= 1]
        groups += [
            {
                "params": [p for _, p in part],
                "names": [name for name, _ in part],
                "lr_factor": 1.0,
                "constant": False,
                "weight_decay": wd,
                **settings,
            }
            for part, wd in ((decayed, decay), (plain, 0.0))
            if part
        ]
    return groups


def build_optimizer(
    module: nn.Module,
    name: str,
    lr: float,
    momentum: float,
    weight_decay: float,
    overrides: Mapping[str, Mapping[str, float]] | None = None,
) -> torch.optim.Optimizer:
    """`sgd` (Nesterov), `lars` or `adamw` over the groups of a module; `overrides` as in `parameter_groups`."""
    import_compiler()
    groups = parameter_groups(module, weight_decay, overrides)
    if name == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0)
    if name == "lars":
        return LARS(groups, lr=lr, momentum=momentum)
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=lr, betas=_ADAMW_BETAS)
    raise ValueError(f"optimizer must be sgd, lars or adamw, got {name!r}")


def set_rate(optimizer: torch.optim.Optimizer, lr: float, peak: float) -> None:
    """The learning rate of the step to come, or its peak for `constant` groups, times each group's factor."""
    for group in optimizer.param_groups:
        group["lr"] = (peak if group["constant"] else lr) * group["lr_factor"]


def forget(optimizer: torch.optim.Optimizer, parameters: Iterable[nn.Parameter]) -> None:
    """Drop what the optimiser remembers of parameters that were initialised anew."""
    for parameter in parameters:
        optimizer.state.pop(parameter, None)


def make_step(optimizer: torch.optim.Optimizer, number: int) -> None:
    """The optimiser's step; what it remembers is tidied now and then, by the number of the step."""
    optimizer.step()
    if number % _TIDY == _TIDY - 1:
        drop_subnormals(optimizer)


@torch.no_grad()
def drop_subnormals(optimizer: torch.optim.Optimizer) -> None:
    """Make zeros of what an optimiser remembers that is too small for a normal number, on a CPU.

    The momentum of a unit whose gradients are zero, as of a dead ReLU, shrinks by a tenth in every step: after some 800
    it is below 1e-38, where it stays, rounded to itself, and a step takes four times as long. It is the one place where
    trainings were seen to hold such numbers, which processors are slow with.
    """
    for state in optimizer.state.values():
        for value in state.values():
            if isinstance(value, Tensor) and value.is_floating_point() and value.device.type == "cpu":
                value.copy_(F.hardshrink(value, torch.finfo(value.dtype).tiny))
