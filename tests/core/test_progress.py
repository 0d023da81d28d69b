"""Phases and lines reach whoever listens and the logger, and nobody else."""

import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from heard import Heard
from lookalike.core import progress
from lookalike.core.progress import listening, phase, silence, tell


def test_phases_nest_and_end_in_any_case():
    heard = Heard()
    with listening(heard), pytest.raises(ZeroDivisionError), phase("outer"), phase("inner", 3) as inner:
        inner.step()
        _ = 1 / 0
    assert heard.begun == ["outer", "inner"]
    assert [p.title for p in heard.ended] == ["inner", "outer"]
    with phase("after"):
        pass
    assert heard.begun == ["outer", "inner"]  # it listens no more


def test_a_phase_that_is_interrupted_while_it_begins_is_over():
    class Interrupting(Heard):
        def begin(self, phase: progress.Phase) -> None:
            super().begin(phase)
            raise KeyboardInterrupt

    heard, interrupting = Heard(), Interrupting()
    with listening(heard), listening(interrupting), pytest.raises(KeyboardInterrupt), phase("anything"):
        pass
    assert [p.title for p in heard.ended] == ["anything"]


def test_workers_count_together():
    with phase("decoding", 40_000) as p, ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda _: [p.step() for _ in range(1_000)], range(40)):
            pass
    assert p.done == 40_000


def test_words():
    p = phase("decoding images", 5_000)
    assert p.words() == "decoding images: 0 of 5,000"
    p.step(1_200)
    assert p.words() == "decoding images: 1,200 of 5,000 (24 %)"
    p.at(5_000)
    assert p.words() == "decoding images: 5,000 of 5,000 (100 %)"
    p.show("nearly there")
    assert p.words() == "nearly there"
    unknown = phase("looking for images")
    assert unknown.words() == "looking for images"
    assert list(unknown.over("ab")) == ["a", "b"]
    assert unknown.words() == "looking for images: 2"
    assert phase("nothing to do", 0).words() == "nothing to do"


def test_a_piece_is_done_when_the_next_one_is_asked_for():
    p = phase("counting", 2)
    assert [p.done for _ in p.over("ab")] == [0, 1]
    assert p.done == 2


def test_listeners_are_those_of_a_thread():
    heard, other = Heard(), Heard()

    def elsewhere() -> None:
        tell("unheard")
        with listening(other):
            tell("heard there")

    with listening(heard):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        tell("heard here")
        with silence():
            tell("unheard too")
    assert heard.lines == ["heard here"] and other.lines == ["heard there"]


def test_the_logger_is_told_the_same(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, logger="lookalike"):
        with phase("decoding images", 2) as p:
            p.step()
        tell("3 files skipped")
        with silence(), pytest.raises(KeyError), phase("evaluating"):
            raise KeyError
    events = [(r.event, getattr(r, "phase", None)) for r in caplog.records]  # type: ignore[attr-defined]  # of `extra`
    assert events == [
        ("begin", "decoding images"),
        ("end", "decoding images"),
        ("line", None),
        ("begin", "evaluating"),
        ("broken off", "evaluating"),
    ]
    assert {r.name for r in caplog.records} == {"lookalike"} and {r.levelname for r in caplog.records} == {"INFO"}
    assert caplog.records[1].done == 1 and caplog.records[1].total == 2  # type: ignore[attr-defined]
    assert caplog.messages[2] == "3 files skipped"


def test_how_far_it_is_is_logged_now_and_then(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with caplog.at_level(logging.DEBUG, logger="lookalike"), phase("decoding", 100) as p:
        for _ in range(100):
            p.step()
            now[0] += 0.125
    said = [r.getMessage() for r in caplog.records if r.levelno == logging.DEBUG]
    assert len(said) == 12 and said[0] == "decoding: 9 of 100 (9 %)"


def test_nothing_is_printed_unless_somebody_listens():
    """Not even where logging was not set up, nor by its handler of last resort."""
    code = "from lookalike.core.progress import *\nwith phase('a', 3) as p: p.step()\ntell('b')\nLOGGER.warning('c')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_it_is_light():
    code = "import sys, lookalike.core.progress; print(*sorted({'torch', 'numpy', 'rich'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert found.stdout.strip() == "", found.stderr
