"""What is being done, for whoever listens: phases with a count, and lines that stay. Nothing is printed here.

    with phase("decoding images", total=len(files)) as p:
        for file in files:
            decode(file)
            p.step()
    tell("3 files skipped")

Phases nest; the innermost one is what is being done. Who listens is decided by the caller: the command line and
estimators with `verbose=1` print (`core/heartbeat.py`), and without them nothing is said. The same events go to the
logger "lookalike": the begin and the end of a phase and lines as INFO, how far a phase is as DEBUG, each with `event`
("begin", "progress", "end", "broken off" or "line") and for phases `phase`, `done` and `total` as attributes of the
record.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Protocol, Self, TypeVar

T = TypeVar("T")

LOGGER = logging.getLogger("lookalike")
LOGGER.addHandler(logging.NullHandler())

_LOGGED_S = 1.0  # seconds between two records of how far a phase is, at the least


class Listener(Protocol):
    """One that is told what is being done. Its methods are called from any thread and must not raise."""

    def begin(self, phase: Phase) -> None:
        """A phase begins; its attributes tell from now on how far it is."""

    def end(self, phase: Phase) -> None:
        """It is over, however that came about."""

    def line(self, text: str, passing: bool) -> None:
        """A line that stays; `passing`: not wanted where somebody sees how far phases are all the time."""


_LISTENERS: ContextVar[tuple[Listener, ...]] = ContextVar("listeners", default=())
"""Those of this thread. A phase that begins here is theirs, whichever threads count its steps."""


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Within, this one listens too, to what this thread does."""
    token = _LISTENERS.set((*_LISTENERS.get(), listener))
    try:
        yield
    finally:
        _LISTENERS.reset(token)


@contextmanager
def silence() -> Iterator[None]:
    """Within, nobody listens to what this thread does; the logger is told all the same."""
    token = _LISTENERS.set(())
    try:
        yield
    finally:
        _LISTENERS.reset(token)


class Phase:
    """Something that may take long. Use as a context manager; counting may be done from any thread.

    A step costs well below a microsecond.
    """

    def __init__(self, title: str, total: int | None = None, done: int = 0) -> None:
        """
        Args:
            title: what is done, such as "decoding images".
            total: how many pieces there are; None: not known.
            done: pieces that an earlier start has done.
        """
        self.title, self.total, self.done = title, total, done
        self.text: str | None = None
        """Words in place of title and count, where whoever does it says more."""
        self._lock = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()
        self._begun = self._logged = 0.0

    def __enter__(self) -> Self:
        self._begun = self._logged = time.monotonic()
        self._listeners = _LISTENERS.get()
        self._log(logging.INFO, "begin", "%s begins")
        try:
            for listener in self._listeners:
                listener.begin(self)
        except BaseException:  # Ctrl-C: this phase will not be left, as it is not entered
            self._tell_end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tell_end()
        event = "end" if kind is None else "broken off"
        took = time.monotonic() - self._begun
        self._log(logging.INFO, event, f"%s {'ends' if kind is None else 'is broken off'} after {took:.1f} s")

    def _tell_end(self) -> None:
        for listener in self._listeners:
            listener.end(self)

    def step(self, done: int = 1) -> None:
        """So many pieces more are done."""
        with self._lock:
            self.done += done
        if LOGGER.isEnabledFor(logging.DEBUG):
            self._log_progress()

    def at(self, done: int) -> None:
        """So many pieces are done in all."""
        self.done = done
        if LOGGER.isEnabledFor(logging.DEBUG):
            self._log_progress()

    def show(self, text: str) -> None:
        """Say it in words, in place of title and count."""
        self.text = text
        if LOGGER.isEnabledFor(logging.DEBUG):
            self._log_progress()

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """The same items; each is a piece, done when the next one is asked for."""
        for item in items:
            yield item
            self.step()

    def _log_progress(self) -> None:
        now = time.monotonic()
        if now - self._logged >= _LOGGED_S:
            self._logged = now
            self._log(logging.DEBUG, "progress", "%s")

    def _log(self, level: int, event: str, message: str) -> None:
        if LOGGER.isEnabledFor(level):
            fields = {"event": event, "phase": self.title, "done": self.done, "total": self.total}
            LOGGER.log(level, message, self.words() if event == "progress" else self.title, extra=fields)

    def words(self) -> str:
        """What is done and how far it is: "decoding images: 1,200 of 5,000 (24 %)"."""
        if self.text is not None:
            return self.text
        if not self.total:
            return f"{self.title}: {self.done:,}" if self.done else self.title
        share = f" ({self.done / self.total:.0%})".replace("%", " %") if self.done else ""
        return f"{self.title}: {self.done:,} of {self.total:,}{share}"


def phase(title: str, total: int | None = None, done: int = 0) -> Phase:
    """A phase to enter: `with phase("decoding images", total=n) as p`."""
    return Phase(title, total, done)


def tell(text: str, passing: bool = False) -> None:
    """Say a line that stays; `passing`: where nobody sees how far phases are all the time."""
    if LOGGER.isEnabledFor(logging.INFO):
        LOGGER.info("%s", text, extra={"event": "line"})
    for listener in _LISTENERS.get():
        listener.line(text, passing)
