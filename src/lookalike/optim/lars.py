"""LARS, layer-wise adaptive rate scaling (You, Gitman, Ginsburg 2017), as released with SimCLR.

For a parameter w with gradient g, learning rate lr, decay wd, momentum m and trust coefficient eta:

    g <- g + wd * w
    r = eta * |w| / |g|   where both norms are positive, else 1
    v <- m * v + lr * r * g
    w <- w - v

The velocity stores the scaled step ("classic" momentum), so a new learning rate does not rescale the
past. Parameters of one dimension (biases, normalisation) are neither decayed nor adapted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import overload

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT


class LARS(torch.optim.Optimizer):
    """LARS with classic momentum.

    Args:
        params: parameters or groups; a group may set `adapt` (default True) beside the options below.
        lr: learning rate.
        momentum: m above.
        weight_decay: wd above.
        trust_coefficient: eta above.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 0.3,
        momentum: float = 0.9,
        weight_decay: float = 1e-6,
        trust_coefficient: float = 0.001,
    ) -> None:
        for name, value in (("lr", lr), ("momentum", momentum), ("weight_decay", weight_decay)):
            if value < 0:
                raise ValueError(f"{name} must not be negative, got {value}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "trust_coefficient": trust_coefficient,
            "adapt": True,
        }
        super().__init__(params, defaults)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Make one step; parameters without a gradient stay as they are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is not None:
                    self._update(w, w.grad, group)
        return loss

    def _update(self, w: Tensor, g: Tensor, group: Mapping[str, float]) -> None:
        step = g
        if group["adapt"] and w.ndim > 1:
            step = g + group["weight_decay"] * w
            w_norm, g_norm = w.norm(), step.norm()
            # chosen by where, not by if: a GPU need not be waited for
            ratio = torch.where((w_norm > 0) & (g_norm > 0), group["trust_coefficient"] * w_norm / g_norm, 1.0)
            step = step * ratio
        state = self.state[w]
        if "velocity" not in state:
            state["velocity"] = torch.zeros_like(w)
        velocity = state["velocity"]
        velocity.mul_(group["momentum"]).add_(step, alpha=group["lr"])
        w.sub_(velocity)
