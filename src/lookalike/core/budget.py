"""The time that a run may take, on a clock that only goes forward and does not stop while the machine sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lookalike.core.durations import parse_duration

Clock = Callable[[], float]

FEATURES, EVALUATION, GROUPS, PAGE = "features", "evaluation", "groups", "page"
"""What may come after a training, in its time."""

EVALUATED, GROUPED = 0.12, 0.08
"""Shares of a budget that an evaluation, and finding the number of groups, may take."""


def now() -> float:
    """Seconds since some moment. Setting the date changes nothing; sleep counts where the system tells of it."""
    if hasattr(time, "CLOCK_BOOTTIME"):  # Linux; time.monotonic() stands still while a machine sleeps
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass
class Budget:
    """So many seconds for a run, over all its starts."""

    seconds: float
    """All that may be used."""
    begun: float
    """When this start began, by `clock`."""
    before: float = 0.0
    """Seconds that earlier starts have used."""
    clock: Clock = field(default=now, repr=False)

    @classmethod
    def of(cls, text: str, begun: float | None = None, clock: Clock = now) -> Budget:
        """From words such as "20m"; `begun` is now where it is not said.

        Raises:
            ValueError: it is no length of time.
        """
        return cls(parse_duration(text), clock() if begun is None else begun, clock=clock)

    def used(self) -> float:
        """Seconds used so far, by all starts."""
        return self.before + self.clock() - self.begun

    def left(self) -> float:
        """Seconds left; negative where there were too few."""
        return self.seconds - self.used()

    def share(self, share: float, most: float = float("inf")) -> float:
        """Seconds that a part of all may take: `share` of the whole, no more than `most`, nor than half of the rest."""
        return max(0.0, min(share * self.seconds, most, self.left() / 2))
