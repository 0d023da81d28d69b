"""The processes that do a job together, as seen from one of them; alone, all of this is the identity.

Rows of a collection are divided into contiguous shares of whole blocks. A block is what a network is given at a
time, and so the same whoever computes it: features do not depend on the number of processes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from torch import Tensor

T = TypeVar("T")

BLOCK = 512  # images a block of feature extraction


def blocks(n: int) -> list[slice]:
    """Slices of n rows in the fixed block size; a last single row joins the block before, for BatchNorm."""
    starts = [start for start in range(0, n, BLOCK) if start == 0 or n - start > 1]
    return [slice(start, end) for start, end in zip(starts, [*starts, n][1:], strict=True)]


class Ranks:
    """A process alone. `engine/distributed.py` has the one that is not."""

    rank = 0
    """The number of this process, 0..size-1."""
    size = 1
    """The number of processes."""

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def own_blocks(self, n: int) -> list[slice]:
        """The blocks of n rows that this process answers for; every block is some process's."""
        every = blocks(n)
        share = math.ceil(len(every) / self.size)
        return every[self.rank * share : (self.rank + 1) * share]

    def own(self, n: int) -> slice:
        """The rows of its own blocks; empty where there are fewer blocks than processes."""
        mine = self.own_blocks(n)
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

    @contextmanager
    def together(self) -> Iterator[None]:
        """What fails in here for one process fails for all, and one of them says so.

        Raises:
            LookalikeError: as raised inside by this process; another's is raised as `Elsewhere`.
        """
        yield


ALONE = Ranks()

Comm = Ranks  # the names that methods have for them
SINGLE = ALONE
