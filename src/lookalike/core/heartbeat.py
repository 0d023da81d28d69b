"""A listener that prints: one live line in a terminal, elsewhere a plain line whenever there was none for some seconds.

It prints from a thread of its own, as a single call into a library may take long. After it was left nothing more is
printed. A process that is forked from this one says nothing.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TextIO

from lookalike.core.durations import duration
from lookalike.core.pace import Pace
from lookalike.core.progress import Phase, listening

ERASE = "\r\x1b[2K"
"""Takes the live line away: to its begin, and all of it erased."""

_WIDTH = 80  # columns of a terminal that does not know how many it has


@dataclass(frozen=True)
class Intervals:
    """Seconds."""

    first: float = 3.0
    """Until the first plain line."""
    every: float = 8.0
    """Without a line before the next plain one: a busy machine too keeps below ten."""
    look: float = 0.25
    """Between two states of the live line."""
    plain_look: float = 1.0
    """Between two looks at the clock where there is no live line."""
    brief: float = 0.3
    """A phase that is younger is not told where another is older: it may be gone before it can be read."""
    idle: float = 1.0
    """Between two phases before the live line says that there is none."""


INTERVALS = Intervals()
"""Those of a heartbeat that is given none."""


class Heartbeat:
    """Says how far phases are, and the lines that stay. Use as a context manager; it listens to the thread that enters.

    A stream that cannot be written any more is left alone.
    """

    def __init__(
        self,
        stream: TextIO,
        live: bool = False,
        clock: Callable[[], float] = time.monotonic,
        intervals: Intervals | None = None,
    ) -> None:
        """Not yet heard; the context manager begins.

        Args:
            stream: what is written to.
            live: one line that is renewed in place, for which `stream` has to be a terminal.
            clock: seconds.
            intervals: None: `INTERVALS`.
        """
        self.intervals = intervals or INTERVALS
        self.stream, self.live = stream, live
        self.drawn = False
        """Whether the live line is on the terminal: who else writes there puts ERASE first."""
        self._clock = clock
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._open: list[tuple[Phase, float, Pace]] = []  # phases, when they began, their paces
        self._last_printed = (
            clock() + self.intervals.first - self.intervals.every
        )  # when the last plain line was printed
        self._since = clock()  # when the last phase of all began or ended
        self._idle = "starting"  # what is done outside of phases
        self._live_text = ""
        self._ended = False
        self._stop = threading.Event()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(listening(self))
        thread = threading.Thread(target=self._run, name="lookalike heartbeat", daemon=True)
        with suppress(RuntimeError):  # there may be no more threads: then lines are all
            thread.start()
            self._stack.callback(thread.join)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if os.getpid() == self._process:  # else the lock may be held by a thread that is not here
            with self._lock:
                self._erase()
                self._ended = True
        self._stack.close()

    def _run(self) -> None:
        while not self._stop.wait(self.intervals.look if self.live else self.intervals.plain_look):
            self.beat()

    # -- what it is told --------------------------------------------------------------------------

    def begin(self, phase: Phase) -> None:
        """A phase begins."""
        if os.getpid() != self._process:
            return
        with self._lock:
            now = self._since = self._clock()
            self._open.append((phase, now, Pace(now, phase.done)))
            self._idle = "working"
            if not self.live:
                self._say_if_due(now)

    def end(self, phase: Phase) -> None:
        """A phase is over."""
        if os.getpid() != self._process:
            return
        with self._lock:
            self._open = [entry for entry in self._open if entry[0] is not phase]
            self._since, self._idle = self._clock(), f"working, after {phase.title}"
            if not self._open:
                self._erase()

    def line(self, text: str, passing: bool) -> None:
        """Print a line that stays, above the live one."""
        if os.getpid() != self._process or (passing and self.live):
            return
        with self._lock:
            self._idle = "working"
            self._write((ERASE if self.drawn else "") + text + "\n")
            self.drawn, self._live_text = False, ""
            self._last_printed = self._since = self._clock()

    # -- what it says of itself -------------------------------------------------------------------

    def beat(self) -> None:
        """Look at the clock, and say what is due."""
        with self._lock:
            now = self._clock()
            for phase, _, pace in self._open:
                pace.see(now, phase.done)
            if self.live:
                self._draw(now)
            else:
                self._say_if_due(now)

    def _say_if_due(self, now: float) -> None:
        if now - self._last_printed >= self.intervals.every:
            self._write(self._words(now) + "\n")
            self._last_printed = now

    def _draw(self, now: float) -> None:
        if not self._open and now - self._since < self.intervals.idle:
            return
        text = _cropped(self._words(now), _columns(self.stream) - 1)
        if text != self._live_text or not self.drawn:
            self._write(ERASE + text)
            self.drawn, self._live_text = True, text

    def _erase(self) -> None:
        if self.drawn:
            self._write(ERASE)
            self.drawn, self._live_text = False, ""

    def _words(self, now: float) -> str:
        """The innermost phase with those around it that have a count, and how long it still takes."""
        phases = [entry for entry in self._open if now - entry[1] >= self.intervals.brief] or self._open
        if not phases:
            return f"{self._idle}{_so_far(now - self._since)}"
        phase, begun, pace = phases[-1]
        around = [outer.words() for outer, _, _ in phases[:-1] if outer.total and outer.text is None]
        words = ": ".join([*around, phase.words()])
        if phase.text is not None:  # which say that themselves
            return words
        left = pace.left(phase.total)
        return words + (_so_far(now - begun) if left is None else f", {duration(left)} left")

    def _write(self, text: str) -> None:
        if self._ended:
            return
        try:
            try:
                self.stream.write(text)
            except UnicodeEncodeError as error:
                self.stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
            self.stream.flush()
        except (OSError, ValueError):  # nobody reads it, or it is closed: the work goes on
            self._ended = True


def _so_far(seconds: float) -> str:
    return f", {duration(seconds)} so far" if seconds >= 1 else ""


def _columns(stream: TextIO) -> int:
    """Columns of a terminal, as wide as it is now."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or _WIDTH
    except (OSError, ValueError):
        return _WIDTH


def _cropped(text: str, columns: int) -> str:
    """Text as fits into so many columns of a terminal."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= columns:
        return text
    return set_cell_size(text, columns - 3) + "..." if columns > 3 else set_cell_size(text, max(0, columns))
