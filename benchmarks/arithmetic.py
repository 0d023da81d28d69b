"""What the machine itself computes a second, a matrix product and a 3x3 convolution: floors to measure speed by."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from lookalike.core import machine


def convolution(dtype: torch.dtype, rows: int) -> tuple[list[Callable[[], Any]], float]:
    """The 3x3 convolution in both memory layouts, and its FLOPs."""
    x, w = torch.randn(rows, 64, 16, 16, dtype=dtype), torch.randn(64, 64, 3, 3, dtype=dtype)
    layouts = (torch.channels_last, torch.contiguous_format)
    pairs = [(x.to(memory_format=layout), w.to(memory_format=layout)) for layout in layouts]
    return [lambda x=x, w=w: F.conv2d(x, w, padding=1) for x, w in pairs], 2.0 * rows * 16 * 16 * 64 * 64 * 9


def floors(tiny: bool) -> Callable[[], dict[str, float]]:
    """A function that measures GFLOP/s of the machine: `product` and `convolution`, by precision."""
    side, rows = (64, 2) if tiny else (2048, 256)
    works: dict[str, tuple[list[Callable[[], Any]], float]] = {}
    for name, dtype in {"float32": torch.float32, "bf16": torch.bfloat16}.items():
        if name == "bf16" and not machine.cpu_has_bf16():
            continue  # computed in float32 with conversions around it, which says nothing
        a = torch.randn(side, side, dtype=dtype)
        works[f"product {name}"] = [lambda a=a: a @ a], 2.0 * side**3
        works[f"convolution {name}"] = convolution(dtype, rows)

    def work() -> dict[str, float]:
        return {name: max(flops / min(seconds(way)) for way in ways) / 1e9 for name, (ways, flops) in works.items()}

    return work


def seconds(work: Callable[[], Any], times: int = 4) -> list[float]:
    """What `work` takes, some times one after the other."""
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return found
