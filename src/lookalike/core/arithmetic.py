"""Code that computes in the precision of its tensors, whoever calls it.

Autocast belongs to a network: under it, PyTorch rounds what enters a convolution or a matrix product to bfloat16. A
crop is a matrix product too and a blur is a convolution, so views and squares would differ with the arithmetic of the
network that sees them; and 256 grey levels need more than the 8 bits of bfloat16. So what prepares images is marked by
`outside_autocast`, as are a training and an evaluation as a whole. `engine/backbone.py: Backbone.compute` alone puts a
network under autocast.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")

_DEVICES = ("cpu", "cuda", "mps", "xpu")  # kinds of devices for which a caller may have switched autocast on


def outside_autocast(function: Callable[P, R]) -> Callable[P, R]:
    """The function, run with autocast switched off on every device."""

    @wraps(function)
    def run(*args: P.args, **named: P.kwargs) -> R:
        enabled = [device for device in _DEVICES if torch.is_autocast_enabled(device)]
        if not enabled:
            return function(*args, **named)
        with ExitStack() as stack:
            for device in enabled:
                stack.enter_context(torch.autocast(device, enabled=False))
            return function(*args, **named)

    return run
