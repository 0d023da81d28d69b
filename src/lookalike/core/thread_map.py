"""A map over threads for many small tasks: each call takes a few of them.

A task that is handed over by itself costs tens of microseconds and a change of the thread that holds the interpreter's
lock, which is much beside the millisecond that an image takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_MOST = 16  # tasks of a piece
_EACH = 4  # pieces for each thread at the least, so that all end at about the same time


def thread_map(work: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T], threads: int) -> Iterator[R]:
    """The results of `work` for all items, in their order. Threads call it with a few items at a time.

    The first exception is raised, and calls that have not begun are dropped.
    """
    piece = max(1, min(_MOST, len(items) // (_EACH * threads)))
    with ThreadPoolExecutor(threads) as pool:
        for results in pool.map(lambda start: work(items[start : start + piece]), range(0, len(items), piece)):
            yield from results
