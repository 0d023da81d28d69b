"""How long something still takes, as is told from made clocks."""

import pytest

from lookalike.core.pace import Pace


def test_nobody_can_say_at_first_nor_without_a_total():
    pace = Pace(0.0, 0)
    assert pace.left(10) is None
    pace.see(60.0, 0)
    assert pace.left(10) is None  # nothing is done yet
    pace.see(61.0, 1)
    assert pace.left(None) is None
    assert pace.left(10) == pytest.approx(9 * 61)


def test_what_was_done_before_tells_nothing_of_the_pace():
    pace = Pace(0.0, 900)
    pace.see(10.0, 910)
    assert pace.left(1_000) == pytest.approx(90)


def test_the_last_seconds_count():
    pace = Pace(0.0, 0)
    for second in range(1, 101):
        pace.see(float(second), second)  # one a second
    for second in range(1, 61):
        pace.see(100.0 + second, 100 + 10 * second)  # ten
    assert pace.left(1_700) == pytest.approx(100, rel=0.1)


def test_a_stall_makes_it_longer():
    pace = Pace(0.0, 0)
    pace.see(10.0, 50)
    before = pace.left(100)
    for second in range(11, 1_000):
        pace.see(float(second), 50)
    after = pace.left(100)
    assert before == pytest.approx(10) and after == pytest.approx(999)
    assert len(pace._seen) < 5  # a night of waiting takes no memory


def test_a_count_that_begins_anew():
    pace = Pace(0.0, 0)
    pace.see(10.0, 100)
    pace.see(11.0, 0)
    assert pace.left(100) is None
    pace.see(16.0, 50)
    assert pace.left(100) == pytest.approx(5)


def test_more_than_the_total_is_no_time():
    pace = Pace(0.0, 0)
    pace.see(10.0, 12)
    assert pace.left(10) == 0
