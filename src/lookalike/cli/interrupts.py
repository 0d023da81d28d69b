"""Ctrl-C at the command line: what Python makes of it, and that it is not lost.

Python raises KeyboardInterrupt wherever the program happens to be. In a callback of the interpreter's own, as while
modules are imported, it is printed and ignored; libraries in other languages make other errors of it.
"""

from __future__ import annotations

import signal
from types import FrameType


class Interrupts:
    """The handler of SIGINT for a process that is the command line's own."""

    def __init__(self) -> None:
        self.asked = False  # whether Ctrl-C was pressed; an error after that is no error of the program
        self._handler = self._interrupt

    def install(self) -> None:
        """In place of Python's own; whoever started the process may have decided that SIGINT is ignored."""
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handler)

    def kill_next(self) -> None:
        """From now on Ctrl-C kills at once; nothing where the handler is another's."""
        if signal.getsignal(signal.SIGINT) is self._handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        self.kill_next()  # should this one get lost
        raise KeyboardInterrupt


CTRL_C = Interrupts()
