"""SIGINT, SIGTERM and SIGHUP (the terminal is gone) as requests to stop after the step under way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

Handler = Callable[[int, FrameType | None], object] | int | signal.Handlers | None
"""What `signal.signal` takes and gives."""

_ASKED_BY = tuple(signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that ask to stop; Windows has no SIGHUP."""


def _free() -> list[signal.Signals]:
    """Those of the signals that may be taken over.

    What is ignored stays so: SIGHUP after `nohup`, SIGINT in the background of a script. A handler that was not set
    from Python (None) could not be put back.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are somebody else's
        return []
    return [number for number in _ASKED_BY if signal.getsignal(number) not in (signal.SIG_IGN, None)]


class StopSignals:
    """While it is entered, a signal is noted in `number`; a second one kills as usual.

    Of several processes a second one is noted too: torchrun sends its own after the terminal's, and kills for good
    when it has waited long enough. In a thread other than the main one nothing is touched.
    """

    def __init__(self, several: bool = False) -> None:
        self.number: int | None = None
        self.several = several
        self.before: dict[int, Handler] = {}

    def __enter__(self) -> StopSignals:
        self.before = {}
        try:
            for number in _free():
                self.before[number] = signal.signal(number, self._note)
        except ValueError:  # an interpreter beside the main one
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
