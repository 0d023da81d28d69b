"""What a heartbeat prints and when, by a clock that the test turns."""

import io
import itertools
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from lookalike.core import heartbeat
from lookalike.core.heartbeat import ERASE, Heartbeat, Intervals
from lookalike.core.progress import phase, tell


class Clock:
    """Seconds that pass when the test says so; a heartbeat looks at it each second, as its thread does."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.beating: Heartbeat | None = None

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            assert self.beating is not None
            self.beating.beat()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test looks at the clock itself."""
    monkeypatch.setattr(Heartbeat, "_run", lambda self: None)


@pytest.fixture
def out(clock: Clock) -> Iterator[io.StringIO]:
    """What is printed plainly."""
    stream = io.StringIO()
    with Heartbeat(stream, clock=clock) as clock.beating:
        yield stream


@pytest.fixture
def terminal(clock: Clock) -> Iterator[io.StringIO]:
    """What is written to a terminal."""
    stream = io.StringIO()
    with Heartbeat(stream, live=True, clock=clock) as clock.beating:
        yield stream


def lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_the_first_line_comes_soon_and_no_gap_is_above_ten_seconds(out: io.StringIO, clock: Clock):
    said = []
    with phase("decoding images", 100) as p:
        for second in range(1, 61):
            before = len(lines(out))
            clock.passes(1)
            p.step()
            said += [second] * (len(lines(out)) - before)
    assert said[0] <= 5
    gaps = [b - a for a, b in itertools.pairwise(said)]
    assert gaps and max(gaps) < 10 and min(gaps) >= 8  # nor is more said than is needed
    assert lines(out)[1] == "decoding images: 10 of 100 (10 %), 1 min 39 s left"


def test_how_long_is_not_said_where_it_is_not_known(out: io.StringIO, clock: Clock):
    with phase("finding groups"):
        clock.passes(3)
    assert lines(out) == ["finding groups, 3 s so far"]


def test_the_innermost_phase_is_what_is_done(out: io.StringIO, clock: Clock):
    with phase("choosing views", 4, done=1), phase("training on trial", 50) as p:
        p.step(25)
        clock.passes(5)
    assert lines(out) == ["choosing views: 1 of 4 (25 %): training on trial: 25 of 50 (50 %), 3 s left"]


def test_words_stand_for_a_phase_and_not_before_another(out: io.StringIO, clock: Clock):
    with phase("training") as p:
        p.show("epoch 3/9, 1 min left")
        clock.passes(4)
        with phase("looking at the network"):
            clock.passes(9)
    assert lines(out) == ["epoch 3/9, 1 min left", "looking at the network, 7 s so far"]


def test_a_line_that_was_said_counts(out: io.StringIO, clock: Clock):
    with phase("training"):
        for epoch in range(1, 11):
            clock.passes(2)
            tell(f"epoch {epoch}", passing=True)
        clock.passes(7)
    assert lines(out) == [f"epoch {epoch}" for epoch in range(1, 11)]


def test_outside_of_phases_it_says_after_what_work_goes_on(out: io.StringIO, clock: Clock):
    clock.passes(3)
    with phase("decoding images", 2):
        pass
    clock.passes(20)
    after = "working, after decoding images"
    assert lines(out) == ["starting, 3 s so far", f"{after}, 8 s so far", f"{after}, 16 s so far"]


def test_no_interval_says_every_phase(clock: Clock):
    out = io.StringIO()
    with Heartbeat(out, clock=clock, intervals=Intervals(first=0.0, every=0.0)), phase("one", 3), phase("two"):
        pass
    assert lines(out) == ["one: 0 of 3", "one: 0 of 3: two"]


def test_in_a_terminal_one_line_is_renewed_and_goes(terminal: io.StringIO, clock: Clock):
    with phase("decoding images", 4) as p:
        clock.passes(1)
        p.step(2)
        clock.passes(1)
        tell("a line that stays")
        tell("the end of an epoch", passing=True)  # which the live line shows
        clock.passes(1)
    assert terminal.getvalue().split(ERASE) == [
        "",
        "decoding images: 0 of 4, 1 s so far",
        "decoding images: 2 of 4 (50 %), 2 s left",
        "a line that stays\n",
        "decoding images: 2 of 4 (50 %), 3 s left",
        "",
    ]


def test_the_live_line_is_gone_when_there_is_nothing_to_say(terminal: io.StringIO, clock: Clock):
    with phase("decoding images"):
        clock.passes(1)
    assert terminal.getvalue().endswith(ERASE)


def test_a_live_line_fits_into_the_terminal(terminal: io.StringIO, clock: Clock, monkeypatch: pytest.MonkeyPatch):
    for columns in (200, 30, 12, 4, 2, 1):
        monkeypatch.setattr(heartbeat, "_columns", lambda stream, columns=columns: columns)
        with phase("decoding images of 東京", 10_000):
            clock.passes(1)
        shown = terminal.getvalue().split(ERASE)[-2]
        wide = len(shown) + sum(letter in "東京" for letter in shown)
        assert wide <= max(0, columns - 1), (columns, shown)


def test_after_the_end_nothing_is_printed(clock: Clock):
    stream = io.StringIO()
    with Heartbeat(stream, clock=clock) as clock.beating, phase("anything"):
        clock.passes(3)
    before = stream.getvalue()
    clock.passes(60)
    clock.beating.line("too late", False)
    assert stream.getvalue() == before and before


def test_a_stream_that_is_closed_ends_no_work(out: io.StringIO, clock: Clock):
    out.close()
    with phase("decoding images"):
        clock.passes(20)
        tell("unheard")


def test_letters_that_the_stream_lacks_are_written_out(clock: Clock):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    with Heartbeat(stream, clock=clock):
        tell("naïve")
    assert raw.getvalue() == b"na\\xefve\n"


def test_a_forked_process_says_nothing(clock: Clock):
    stream = io.StringIO()
    with Heartbeat(stream, clock=clock) as beating:
        beating._process = -1  # as seen from another process
        tell("unheard")
        with phase("anything"):
            beating._say_if_due = None  # type: ignore[method-assign,assignment]  # would fail
        with beating._lock:
            other = threading.Thread(target=tell, args=("unheard",))
            other.start()
            other.join(10)
            assert not other.is_alive()
    assert stream.getvalue() == ""


PROGRAM = """
import os, sys, time
from lookalike.core import heartbeat
from lookalike.core.heartbeat import Heartbeat
from lookalike.core.progress import phase
heartbeat.INTERVALS = heartbeat.Intervals(first=0.01, every=0.01, plain_look=0.01)
{body}
"""


def program(body: str, **options: object) -> subprocess.CompletedProcess:
    """A program with a thread that looks at the real clock, all the time."""
    code = PROGRAM.format(body=body)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, **options)  # type: ignore[call-overload]  # of any


def test_the_thread_ends_with_the_heartbeat_however_that_is_left():
    body = """
import threading
for error in (None, ValueError, KeyboardInterrupt, SystemExit):
    try:
        with Heartbeat(sys.stdout), phase("working hard"):
            assert threading.active_count() == 2
            if error:
                raise error
    except (ValueError, KeyboardInterrupt, SystemExit):
        pass
    assert threading.active_count() == 1
print("end")
"""
    found = program(body)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == "end"


def test_a_thread_of_its_own_speaks_while_one_call_takes_long():
    found = program("with Heartbeat(sys.stdout), phase('one call'): time.sleep(0.5)")
    assert "one call" in found.stdout, found.stderr


def test_a_process_that_ends_in_the_middle_is_not_kept():
    body = "with Heartbeat(sys.stdout), phase('one call'): os._exit(3)"
    assert program(body).returncode == 3
    body = "with Heartbeat(sys.stdout), phase('one call'): os.kill(os.getpid(), 15)"
    assert program(body).returncode == -15


def test_a_fork_in_the_middle_ends_well_on_both_sides():
    body = """
with Heartbeat(sys.stdout), phase("forking") as p:
    for _ in range(20):
        child = os.fork()
        if child == 0:
            with phase("child"):
                p.step()
            sys.exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""
    found = program(body)
    assert found.returncode == 0, found.stderr
    assert "child" not in found.stdout
