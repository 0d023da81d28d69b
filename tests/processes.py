"""Running a function in several processes that know of each other."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from lookalike.core import machine
from lookalike.engine.distributed import Group


def in_processes(work: Callable[..., Any], *arguments: Any, size: int = 2) -> list[Any]:
    """What `work(ranks, *arguments)` returned in each of `size` processes; `work` is a function of a module."""
    with tempfile.TemporaryDirectory() as folder:
        context = multiprocessing.get_context("spawn")
        processes = [
            context.Process(target=_enter, args=(rank, size, folder, work, arguments), daemon=True)
            for rank in range(size)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(240)
            assert process.exitcode == 0, f"{work.__name__} ended with {process.exitcode} in one of {size} processes"
        return [torch.load(Path(folder, f"{rank}.pt"), weights_only=False) for rank in range(size)]


def _enter(rank: int, size: int, folder: str, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    machine.prepare(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size)
    found = work(Group(), *arguments)
    torch.save(found, Path(folder, f"{rank}.pt"))
    dist.destroy_process_group()
