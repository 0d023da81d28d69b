"""Ctrl-C at the command line is not lost: not in callbacks that swallow it, not in libraries that rename it."""

import signal
import subprocess
import sys

import pytest

from lookalike.cli import main as front
from lookalike.cli.interrupts import CTRL_C, Interrupts
from lookalike.core.errors import Interrupted, LookalikeError

PRESS = """
import os, signal
def press():
    os.kill(os.getpid(), signal.SIGINT)
class Dropped:
    def __del__(self):
        press()  # what a destructor raises is printed and ignored
from lookalike.cli import main
def command(words):
    BODY
main._dispatch = command
main.entry()
"""


def pressed(body: str) -> subprocess.CompletedProcess:
    """A process of the command line whose command is these statements."""
    code = PRESS.replace("BODY", body.replace("\n", "\n    "))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_once_is_an_interruption():
    done = pressed("press()")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "lookalike: interrupted\n")


def test_one_that_is_lost_is_made_up_for_by_the_next():
    done = pressed("Dropped()\nprint('goes on', flush=True)\nDropped()\nprint('and on')")
    assert done.returncode == -signal.SIGINT
    assert done.stdout == "goes on\n"


@pytest.mark.parametrize("error", ["ValueError('no shape')", "main.LookalikeError('is no encoder')"])
def test_an_error_that_a_library_made_of_it_is_an_interruption(error: str):
    done = pressed(f"try:\n    press()\nexcept KeyboardInterrupt:\n    raise {error}")
    assert (done.returncode, done.stderr) == (130, "lookalike: interrupted\n")


def test_after_an_early_end_the_next_kills():
    done = pressed("main.CTRL_C.kill_next()\nDropped()\nprint('goes on')")
    assert (done.returncode, done.stdout) == (-signal.SIGINT, "")


def test_a_process_that_is_to_ignore_it_does():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a child inherits it, as after `nohup` or of a shell's `&`
    try:
        done = pressed("press()\nprint('goes on')\nreturn 0")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (done.returncode, done.stdout) == (0, "goes on\n")


def test_errors_without_ctrl_c_stay_what_they_are(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    def fails(words: list[str]) -> int:
        raise LookalikeError("is no encoder")

    monkeypatch.setattr(front, "_dispatch", fails)
    assert front.main([]) == 2
    assert capsys.readouterr().err == "lookalike: is no encoder\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_says_where_it_stopped_is_heard(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    def stops(words: list[str]) -> int:
        raise Interrupted("the state is saved", number)

    monkeypatch.setattr(front, "_dispatch", stops)
    monkeypatch.setattr(CTRL_C, "asked", True)
    assert front.main([]) == 128 + number
    assert capsys.readouterr().err == "lookalike: the state is saved\n"


def test_another_s_handler_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    def other(number: int, frame: object) -> None:
        raise AssertionError

    before = signal.signal(signal.SIGINT, other)
    try:
        mine = Interrupts()
        mine.install()
        mine.kill_next()
        assert signal.getsignal(signal.SIGINT) is other
    finally:
        signal.signal(signal.SIGINT, before)
