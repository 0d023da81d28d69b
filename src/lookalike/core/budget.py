"""The time that a run may take, on a clock that only goes forward and does not stop while the machine sleeps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from lookalike.core.durations import duration, parse_duration
from lookalike.core.errors import LookalikeError

Clock = Callable[[], float]

FEATURES, EVALUATION, GROUPS, PAGE = "features", "evaluation", "groups", "page"
"""What may come after a training, in its time."""

EVALUATED, GROUPED = 0.10, 0.05
"""Shares of a budget that an evaluation, and finding the number of groups, may take."""


def now() -> float:
    """Seconds since some moment. Setting the date changes nothing; sleep counts where the system tells of it."""
    if hasattr(time, "CLOCK_BOOTTIME"):  # Linux; time.monotonic() stands still while a machine sleeps
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


_READ = 0.75
"""Share of what is left that may go into work before anything is learned."""


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
    def from_text(cls, text: str, begun: float | None = None, clock: Clock = now) -> Budget:
        """The budget of a text such as "20m". `begun` is now by default.

        Raises:
            ValueError: the text is no length of time.
        """
        return cls(parse_duration(text), clock() if begun is None else begun, clock=clock)

    def used(self) -> float:
        """Seconds used so far, by all starts."""
        return self.before + self.clock() - self.begun

    def left(self) -> float:
        """Seconds left; negative where there were too few."""
        return self.seconds - self.used()

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Within, work of this thread that nobody can hand a budget asks `raise_if_too_long`."""
        token = _SPENT.set(self)
        try:
            yield
        finally:
            _SPENT.reset(token)

    def share(self, share: float, most: float = math.inf) -> float:
        """Seconds that a part of all may take: `share` of the whole, no more than `most`, nor than half of the rest."""
        return self.at_most(min(share * self.seconds, most))

    def at_most(self, seconds: float) -> float:
        """So many seconds, or half of the rest where that is less."""
        return max(0.0, min(seconds, self.left() / 2))


_SPENT: ContextVar[Budget | None] = ContextVar("budget", default=None)


def raise_if_too_long(what: str, seconds: float, consequence: str = "") -> None:
    """Stop work that would take too much of what is left of the budget.

    Args:
        what: the work, for the message.
        seconds: the time that it still takes.
        consequence: a sentence about what is not lost.

    Raises:
        LookalikeError: there is too little time. The message names a budget that is enough.
    """
    budget = _SPENT.get()
    if budget is None or seconds <= _READ * budget.left():
        return
    left, minutes = budget.left(), math.ceil((budget.used() + seconds / _READ) / 60 + 0.5)
    raise LookalikeError(
        f"{what} will take about {duration(seconds)} more, and {duration(max(0.0, left))} are left of the budget: "
        f"allow at least --budget {minutes}m" + (f". {consequence}" if consequence else "")
    )
