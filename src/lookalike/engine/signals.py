"""SIGINT, SIGTERM and SIGHUP (the terminal is gone) as requests to stop after the step under way."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any


def _asked_by() -> list[signal.Signals]:
    """The signals that ask to stop; not SIGHUP where it is ignored, as after `nohup`."""
    asked = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # Windows has none
        asked.append(signal.SIGHUP)
    return asked


class StopSignals:
    """While it is entered, a signal is noted in `number`; a second one kills as usual.

    Of several processes a second one is noted too: torchrun sends its own after the terminal's, and kills for good
    when it has waited long enough.
    """

    def __init__(self, several: bool = False) -> None:
        self.number: int | None = None
        self.several = several
        self.before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        try:
            self.before = {n: signal.signal(n, self._note) for n in _asked_by()}
        except ValueError:  # not the main thread: signals are somebody else's
            self.before = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        if not self.several:
            signal.signal(number, signal.SIG_DFL)
