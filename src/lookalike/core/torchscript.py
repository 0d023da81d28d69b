"""TorchScript for functions of many short operations: they run without Python's lock.

Every operation of PyTorch gives Python's lock back while it computes and wants it again afterwards. Threads that each
call hundreds of short ones spend their time handing it to each other. TorchScript runs a whole function without it, by
the same operations and so to the same bits. It is deprecated without a successor that needs no compiler; where it is
missing or fails, functions run as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, TypeVar

import torch

from lookalike.core.process import warnings_ignored

P = ParamSpec("P")
T = TypeVar("T")


def torchscript(function: Callable[P, T]) -> Callable[P, T]:
    """The function as TorchScript, translated when it is first called (some hundredths of a second)."""

    @cache
    def translated() -> Callable[P, T]:
        with warnings_ignored(category=DeprecationWarning):
            try:
                return torch.jit.script(function)
            except Exception:
                return function

    @wraps(function)
    def run(*arguments: P.args, **named: P.kwargs) -> T:
        return translated()(*arguments, **named)

    return run
