"""What a run says: metrics.jsonl always, one live line in a terminal, one plain line an epoch elsewhere."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from lookalike.core.files import machine_faults, write_text
from lookalike.core.full_disk import unless_full
from lookalike.core.metrics import read_metrics
from lookalike.core.process import generator_kept
from lookalike.core.words import counted

with generator_kept():
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

EARLY = "early"
"""Marks events of a training that was ended before its last step; dropped where the run goes on."""

_REFRESH_S = 0.25  # seconds between two states of the live line

_SILENT: ContextVar[bool] = ContextVar("silent", default=False)


@contextmanager
def silence() -> Iterator[None]:
    """Within it a journal writes metrics.jsonl and says nothing; for this thread alone."""
    token = _SILENT.set(True)
    try:
        yield
    finally:
        _SILENT.reset(token)


class Quiet:
    """The journal of a process that says nothing, as another one does."""

    forward: Callable[[str, int, Mapping[str, Any]], None] | None = None

    def __enter__(self) -> Quiet:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def event(self, kind: str, step: int, **values: Any) -> None: ...

    def say(self, text: str) -> None: ...

    def progress(self, text: str) -> None: ...

    def epoch(self, text: str) -> None: ...

    def flush(self) -> None: ...


def _unheard(text: str) -> None:
    """What was said before is not said again."""


class Journal:
    """Writes events and shows progress. Use as a context manager.

    On opening, events after `step` are dropped: a run that goes on from a checkpoint writes them again.
    """

    def __init__(self, path: Path, step: int, stream: TextIO | None = None) -> None:
        self.path = path
        self.console = Console(file=stream or sys.stdout, highlight=False, soft_wrap=True, quiet=_SILENT.get())
        self.live: Live | None = None
        self.forward: Callable[[str, int, Mapping[str, Any]], None] | None = None
        """Is told each event too."""
        self.shown = 0.0
        self.unwritten: list[str] = []  # lines for which there was no space yet
        kept = [event for event in read_metrics(path) if event.get("step", 0) <= step and EARLY not in event]
        write_text(path, "".join(json.dumps(event) + "\n" for event in kept if step > 0))

    def __enter__(self) -> Journal:
        if self.console.is_terminal and not self.console.quiet and "NO_COLOR" not in os.environ:
            self.live = Live(Text(), console=self.console, auto_refresh=False, transient=True)
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live is not None:
            self.live.stop()
        if self.unwritten:
            with unless_full(_unheard, self.path.name):
                self._append()

    def flush(self) -> None:
        """Append what there was no space for, once there is some again: the weights are written, snapshots gone."""
        if self.unwritten:
            with unless_full(self.say, f"{self.path.name} lacks its last {counted(len(self.unwritten), 'event')}"):
                self._append()

    def event(self, kind: str, step: int, **values: Any) -> None:
        """Append one event to metrics.jsonl; where the disk is full, with one of the next."""
        self.unwritten.append(json.dumps({"event": kind, "step": step, **values}) + "\n")
        first = len(self.unwritten) == 1
        with unless_full(self.say if first else _unheard, f"{self.path.name} lacks the newest events"):
            self._append()
        if self.forward is not None:
            self.forward(kind, step, values)

    def _append(self) -> None:
        with machine_faults("write", self.path):
            before = self.path.stat().st_size
            try:
                with open(self.path, "a", encoding="utf-8") as file:
                    file.write("".join(self.unwritten))
            except OSError:
                os.truncate(self.path, before)  # half a line would be no event
                raise
        self.unwritten.clear()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self.console.print(Text(text))

    def progress(self, text: str) -> None:
        """Renew the live line, a few times a second at the most; nothing outside of a terminal."""
        if self.live is not None and time.monotonic() - self.shown > _REFRESH_S:
            self.live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)
            self.shown = time.monotonic()

    def epoch(self, text: str) -> None:
        """The line of a finished epoch: plain output only, as the live line shows the same."""
        if self.live is None:
            self.say(text)
