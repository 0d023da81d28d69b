"""What a run puts on record and says: metrics.jsonl always, words to those who listen (`core/progress.py`)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from lookalike.core.files import machine_faults, write_text
from lookalike.core.full_disk import unless_full
from lookalike.core.metrics import read_metrics
from lookalike.core.progress import phase, tell
from lookalike.core.words import counted

EARLY = "early"
"""Marks events of a training that was ended before its last step; dropped where the run goes on."""


def _unheard(text: str) -> None:
    """What was said before is not said again."""


class RunLogger:
    """Writes events and says how the training goes. Use as a context manager, around the training.

    On opening, events after `step` are dropped: a run that goes on from a checkpoint writes them again.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        self.phase = phase("training")
        self.forward: Callable[[str, int, Mapping[str, object]], None] | None = None
        """Is told each event too."""
        self.unwritten: list[str] = []  # lines for which there was no space yet
        events = [event for event in read_metrics(path) if event.get("step", 0) <= step and EARLY not in event]
        write_text(path, "".join(json.dumps(event) + "\n" for event in events if step > 0))

    def __enter__(self) -> RunLogger:
        self.phase.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.phase.__exit__(kind, error, trace)
        if self.unwritten:
            with unless_full(_unheard, self.path.name):
                self._append()

    def flush(self) -> None:
        """Append what there was no space for, once there is some again: the weights are written, snapshots gone."""
        if self.unwritten:
            with unless_full(self.say, f"{self.path.name} lacks its last {counted(len(self.unwritten), 'event')}"):
                self._append()

    def event(self, kind: str, step: int, **values: object) -> None:
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
        """Say a line that stays."""
        tell(text)

    def progress(self, text: str) -> None:
        """How far the training is, in words; called at every step."""
        self.phase.show(text)

    def epoch(self, text: str) -> None:
        """The line of a finished epoch: left out where somebody sees the same all the time."""
        tell(text, passing=True)
