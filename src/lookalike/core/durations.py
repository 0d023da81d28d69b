"""Lengths of time as people write and read them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_UNITS = {"h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(h|min|m|s)", re.IGNORECASE)
_WHOLE = re.compile(rf"\s*(?:{_PART.pattern}\s*)+", re.IGNORECASE)


def parse_duration(text: str) -> float:
    """Seconds of "20m", "1h30m", "90s" or "1.5 h".

    Raises:
        ValueError: it is none of these, or nothing at all.
    """
    seconds = sum(float(number) * _UNITS[unit.lower()] for number, unit in _PART.findall(text))
    if not _WHOLE.fullmatch(text) or seconds <= 0:
        raise ValueError(f"must be a length of time such as 20m, 90s or 1h30m, got {text!r}")
    return seconds


def duration(seconds: float) -> str:
    """Seconds in words: 42 s, 3 min 05 s, 2 h 14 min."""
    s = round(seconds)
    if s < 60:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60} min {s % 60:02d} s"
    return f"{s // 3600} h {s % 3600 // 60:02d} min"


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """The result of `work`, and the seconds that it took."""
    begun = time.monotonic()
    result = work()
    return result, time.monotonic() - begun
