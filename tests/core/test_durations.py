"""Lengths of time, read and written."""

from __future__ import annotations

import pytest

from lookalike.core.durations import duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20m", 1200), ("90s", 90), ("1h30m", 5400), ("1.5 h", 5400), ("2 min 5 s", 125), (" 1H ", 3600)],
)
def test_read(text: str, seconds: float):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "m", "20 parsecs", "-5m", "0s", "5m 20", "1h x 2m"])
def test_no_length_of_time(text: str):
    with pytest.raises(ValueError, match="must be a length of time such as 20m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.4, "59 s"), (185, "3 min 05 s"), (8040, "2 h 14 min")]
)
def test_written(seconds: float, words: str):
    assert duration(seconds) == words
