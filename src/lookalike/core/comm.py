"""Communication of the processes of a job, as one of them sees it. In a single process all of it is the identity.

Rows of a collection are divided into contiguous shares of whole blocks. A block is what a network is given at a
time, and so the same whoever computes it: features do not depend on the number of processes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from torch import Tensor

T = TypeVar("T")

BLOCK = 512  # images a block of feature extraction


def blocks(n: int) -> list[slice]:
    """Slices of n rows in the fixed block size; a last single row joins the block before, for BatchNorm."""
    starts = [start for start in range(0, n, BLOCK) if start == 0 or n - start > 1]
    return [slice(start, end) for start, end in zip(starts, [*starts, n][1:], strict=True)]


class Comm:
    """The communication of a single process. `engine/distributed.py: Group` is that of several."""

    rank = 0
    """The number of this process, 0..size-1."""
    size = 1
    """The number of processes."""

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def local_blocks(self, n: int) -> list[slice]:
        """The blocks of n rows that this process answers for; every block is some process's."""
        every = blocks(n)
        share = math.ceil(len(every) / self.size)
        return every[self.rank * share : (self.rank + 1) * share]

    def local_slice(self, n: int) -> slice:
        """The rows of this process among n; empty where there are fewer blocks than processes."""
        mine = self.local_blocks(n)
        return slice(mine[0].start, mine[-1].stop) if mine else slice(n, n)

    def all_reduce(self, x: Tensor) -> Tensor:
        """The sum of all processes' x, of one shape, as a function of each: gradients are added up too."""
        return x

    def all_gather(self, x: Tensor) -> Tensor:
        """All processes' x, of one shape, one after the other along the first axis, as a function of each."""
        return x

    def share(self, value: Tensor) -> Tensor:
        """This process's share of a loss, from a mean over its own rows or from a value that all processes have.

        Processes have equally many rows, so that the shares of their means add up to the mean of all rows.
        """
        return value / self.size if self.size > 1 else value

    def sum(self, x: Tensor) -> Tensor:
        """The sum of all processes' x, of one shape, as plain values: no gradient comes back; the same bits for all."""
        return x.detach()

    def gather(self, x: Tensor) -> Tensor:
        """All processes' x, one after the other along the first axis, as plain values; lengths may differ."""
        return x.detach()

    def objects(self, value: T) -> list[T]:
        """All processes' values, in the order of ranks; small ones."""
        return [value]

    def own(self, n: int) -> slice:
        """The earlier name of `local_slice`."""
        return self.local_slice(n)

    def together(self) -> AbstractContextManager[None]:
        """The earlier name of `collective_errors`."""
        return self.collective_errors()

    @contextmanager
    def collective_errors(self) -> Iterator[None]:
        """Raise in all processes an error that one of them meets inside; one of them tells it.

        Raises:
            LookalikeError: the error of this process.
            PeerError: the error is that of another process.
        """
        yield


SINGLE = Comm()
"""One process without others."""
