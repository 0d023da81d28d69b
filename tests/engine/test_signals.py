"""Signals are taken over where they may be, and given back exactly."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from lookalike.engine.signals import StopSignals

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in SIGNALS]


def own(number: int, frame: object) -> None:
    """A handler of the caller's."""


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    before = handlers()
    yield
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("before", [signal.SIG_DFL, own])
def test_a_signal_is_noted_and_its_handler_put_back(before: object):
    for number in SIGNALS:
        signal.signal(number, before)
    for number in SIGNALS:
        with StopSignals() as signals:
            os.kill(os.getpid(), number)
            assert signals.number == number
            assert signal.getsignal(number) is signal.SIG_DFL  # the next one kills
        assert handlers() == [before] * len(SIGNALS)


@pytest.mark.parametrize("number", SIGNALS)
def test_what_is_ignored_stays_ignored(number: int):
    """As SIGHUP is after `nohup`, and SIGINT in the background of a script."""
    signal.signal(number, signal.SIG_IGN)
    with StopSignals() as signals:
        assert signal.getsignal(number) is signal.SIG_IGN
        os.kill(os.getpid(), number)
        assert signals.number is None
        other = next(n for n in SIGNALS if n != number)
        os.kill(os.getpid(), other)
        assert signals.number == other
    assert signal.getsignal(number) is signal.SIG_IGN


def test_a_handler_that_python_did_not_set_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    """It cannot be put back. A program that embeds Python has such ones, which Python tells by None."""
    signal.signal(signal.SIGTERM, own)
    known = signal.getsignal
    monkeypatch.setattr(signal, "getsignal", lambda number: None if number == signal.SIGTERM else known(number))
    with StopSignals() as signals:
        assert known(signal.SIGTERM) is own
        assert signals.before.keys() == {signal.SIGINT, signal.SIGHUP}
    assert known(signal.SIGTERM) is own


def test_in_another_thread_nothing_is_touched():
    before, seen = handlers(), []

    def enter() -> None:
        with StopSignals() as signals:
            seen.append(handlers())
            assert signals.before == {}

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before] and handlers() == before
