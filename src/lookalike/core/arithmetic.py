"""Code that computes in the precision of its tensors, whoever calls it.

Autocast belongs to a network: under it, PyTorch rounds what enters a convolution or a matrix product to bfloat16. A
crop is a matrix product too and a blur is a convolution, so views and crops would differ with the arithmetic of the
network that sees them; and 256 grey levels need more than the 8 bits of bfloat16. So what prepares images is marked by
`outside_autocast`, as are a training and an evaluation as a whole. `engine/feature_extractor.py:
FeatureExtractor.compute` alone puts a network under autocast.

A default dtype or a default device that the caller has set (`torch.set_default_dtype`, `torch.set_default_device`) are
as PyTorch has them in there, too: what is made without a word on them is float32 on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from threading import Lock
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")

_DEVICES = ("cpu", "cuda", "mps", "xpu")  # kinds of devices for which a caller may have switched autocast on

_dtype_lock = Lock()
_dtype_calls = 0  # of `_default_dtype` that are under way
_dtype_before = torch.float32


def outside_autocast(function: Callable[P, R]) -> Callable[P, R]:
    """The function, run with autocast switched off on every device and with PyTorch's own defaults."""

    @wraps(function)
    def run(*args: P.args, **named: P.kwargs) -> R:
        enabled = [device for device in _DEVICES if torch.is_autocast_enabled(device)]
        usual = torch.get_default_dtype() == torch.float32 and not _dtype_calls
        on_cpu = torch.get_default_device().type == "cpu"
        if not enabled and usual and on_cpu:
            return function(*args, **named)
        with ExitStack() as stack:
            for device in enabled:
                stack.enter_context(torch.autocast(device, enabled=False))
            if not usual:
                stack.enter_context(_default_dtype())
            if not on_cpu:
                stack.enter_context(torch.device("cpu"))
            return function(*args, **named)

    return run


@contextmanager
def _default_dtype() -> Iterator[None]:
    """Within, the default is float32. Threads share it: the last call that ends puts back what the first found."""
    global _dtype_calls, _dtype_before
    with _dtype_lock:
        if not _dtype_calls:
            _dtype_before = torch.get_default_dtype()
            torch.set_default_dtype(torch.float32)
        _dtype_calls += 1
    try:
        yield
    finally:
        with _dtype_lock:
            _dtype_calls -= 1
            if not _dtype_calls:
                torch.set_default_dtype(_dtype_before)
