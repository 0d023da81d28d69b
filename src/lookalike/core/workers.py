"""Blocks of rows shared out to threads, each of which computes on its own.

PyTorch spreads every single operation over all cores and waits for the slowest. For many short operations
in a row that is a barrier each; where other programs want the cores too, a barrier waits until the system
runs the missing thread again, milliseconds later. Here a thread takes a block through all operations.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from functools import cache
from types import TracebackType
from typing import Self

import torch

from lookalike.core.machine import within_quota
from lookalike.core.process import threads_kept

_FEW = 2**24  # products that take about as long as handing work to a thread and back


@cache
def _threads(process: int, count: int) -> ThreadPoolExecutor:
    """Threads that stay: new ones would set up memory and libraries of their own each time.

    A process that was forked from another has none of its threads.
    """
    return ThreadPoolExecutor(count)


class Workers:
    """As many threads as PyTorch has, on a CPU; in them and meanwhile here PyTorch itself uses one.

    Used as a context manager: leaving it gives PyTorch its own threads back.
    """

    def __init__(self, device: torch.device, products: int | None = None) -> None:
        """`products` is what one pass multiplies, where that is known: little of it is done faster by one thread."""
        self._on_cpu = device.type == "cpu"
        self._alone = self._on_cpu and products is not None and products < _FEW
        self._count = 1
        self._pool: ThreadPoolExecutor | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self._on_cpu:
            before = self._stack.enter_context(threads_kept())
            self._count = 1 if self._alone else within_quota(before)
            self._pool = _threads(os.getpid(), self._count) if self._count > 1 else None
            torch.set_num_threads(1)  # of this thread, and of those that are started from now on
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def for_blocks(self, work: Callable[[slice], None], n: int, block: int) -> None:
        """Call work(rows) for slices of at most `block` of n rows. It must write to its own rows only.

        The first exception of a thread is raised here.
        """
        if n == 0:
            return
        each = -(-n // (block * self._count))  # blocks of a thread: the same number for all
        block = max(1, -(-n // (each * self._count)))
        left = iter([slice(start, min(n, start + block)) for start in range(0, n, block)])

        def take(_: int) -> None:
            for rows in left:  # whoever is done takes the next
                work(rows)

        if self._pool is None or n <= block:
            take(0)
        else:
            taken = [self._pool.submit(torch.no_grad()(take), k) for k in range(self._count)]
            wait(taken)
            for done in taken:
                done.result()
