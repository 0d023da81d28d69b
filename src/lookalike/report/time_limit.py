"""Seconds that a page may take, and how much of a piece of work fits into them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]

_PLANNED = 0.6  # of the time is planned for: a machine may become slower under way


@dataclass(frozen=True)
class TimeLimit:
    """A moment at which a piece of work has to be done; `end` is None where it may take as long as it takes."""

    end: float | None = None
    clock: Clock = time.monotonic

    @classmethod
    def after(cls, seconds: float | None, clock: Clock = time.monotonic) -> TimeLimit:
        """A limit that ends in so many seconds from now; none where `seconds` is None."""
        return cls(None if seconds is None else clock() + seconds, clock)

    def left(self) -> float:
        """Seconds; infinite where there is no limit, and never negative."""
        return math.inf if self.end is None else max(0.0, self.end - self.clock())

    def planned(self, part: float = _PLANNED) -> float:
        """Seconds of the time left that may be planned for; `part` in [0, 1], more for what can be stopped."""
        return part * self.left()

    def is_past(self) -> bool:
        """Whether the time is up."""
        return self.left() <= 0

    def share(self, part: float) -> TimeLimit:
        """A limit of its own for a part of the work: this share in [0, 1] of the time left."""
        return self if self.end is None else TimeLimit(self.clock() + part * self.left(), self.clock)

    def timed(self, work: Callable[[], object]) -> float:
        """Seconds that a piece of work takes."""
        begun = self.clock()
        work()
        return self.clock() - begun


NO_LIMIT = TimeLimit()
