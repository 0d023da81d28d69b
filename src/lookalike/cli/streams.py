"""Output that nobody can read any more ends nothing: stdout and stderr of a process that is the command line's own.

A reader goes away (`| head`, a `tee` that the same Ctrl-C killed, a closed terminal), the disk behind `>` is full, a
stream was closed before the process began (`>&-`). What is computed is worth more than what is said of it: words that
cannot be written are dropped, whoever says them (print, rich, warnings, logging, a traceback, the interpreter at exit).
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_GONE = (errno.EPIPE, errno.EBADF, errno.EIO)  # no word will ever be written there again
_READER_LEFT = 141  # as a shell says of a program that SIGPIPE killed
_UNWRITTEN = 1
_PRINTED = ("help", "runs", "doctor", "search")  # commands of which all that remains is what they print
_PRINTING = ("-h", "--help", "-V", "--version", "--json")
_ERRORS = "lookalike.readable"


class Output(io.FileIO):
    """A descriptor that takes everything; what it cannot pass on is dropped, and `fault` is the first reason."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self.fault: OSError | None = None
        self.before: Callable[[], bytes] = bytes
        """What has to be written first, as a terminal shows a line that is to go; locks must not be waited for."""

    def write(self, data: ReadableBuffer) -> int:
        """Write all of it, or drop what is left."""
        size = memoryview(data).nbytes
        left = memoryview(self.before() + bytes(data)) if size else memoryview(b"")
        try:
            while left:
                written = super().write(left)
                if written is None:  # a full pipe that was set not to block: its reader has to take something first
                    select.select([], [self], [])
                else:
                    left = left[written:]
        except OSError as error:
            self.fault = self.fault or error
            if error.errno in _GONE:
                self._forget()
        return size

    def _forget(self) -> None:
        """Libraries that write to the descriptor itself, and programs started from here, meet no broken pipe."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


class Streams:
    """stdout and stderr as `Output`s, once `guard` was called."""

    def __init__(self) -> None:
        self.out: Output | None = None
        self.err: Output | None = None

    def guard(self) -> None:
        """Put both in the place of sys.stdout and sys.stderr; closed ones are opened, and lead nowhere."""
        for descriptor in (0, 1, 2):  # else the next file that is opened gets its number, and what is printed
            try:
                os.fstat(descriptor)
            except OSError:
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free: this one
        codecs.register_error(_ERRORS, _readable)
        if sys.stdin is None:
            sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # as long as the process lives
        self.out, sys.stdout = _wrapped(1, sys.stdout)
        self.err, sys.stderr = _wrapped(2, sys.stderr)

    def status(self, status: int, words: Sequence[str]) -> int:
        """The exit status of a command line that ended with `status`, when what it said is taken into account.

        A command that leaves files behind has done its work. Of one that only prints, nothing remains.
        """
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        fault = None if self.out is None else self.out.fault
        if status or fault is None:
            return status
        printed = not words or words[0] in _PRINTED or any(word in _PRINTING for word in words)
        if fault.errno in _GONE:
            return _READER_LEFT if printed else status
        print(f"lookalike: what was to be printed could not be written: {fault.strerror}", file=sys.stderr, flush=True)
        return _UNWRITTEN if printed else status


def _wrapped(descriptor: int, before: TextIO | None) -> tuple[Output, io.TextIOWrapper]:
    """An `Output` and the text stream that writes into it, set as the one before; None: that was closed."""
    raw = Output(descriptor)
    if before is None:
        return raw, io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors=_ERRORS)
    unbuffered: bool = getattr(before, "write_through", False)
    buffer: Output | io.BufferedWriter = raw if unbuffered else io.BufferedWriter(raw)
    return raw, io.TextIOWrapper(
        buffer,
        encoding=before.encoding,
        errors=_ERRORS if before.errors == "strict" else before.errors,
        line_buffering=bool(before.line_buffering),
        write_through=unbuffered,
    )


def _readable(error: UnicodeError) -> tuple[bytes, int]:
    """What an encoding lacks is written as an escape; bytes of file names that are no text go out as they came in."""
    assert isinstance(error, UnicodeEncodeError)
    encoded = b""
    for letter in error.object[error.start : error.end]:
        code = ord(letter)
        encoded += bytes([code - 0xDC00]) if 0xDC80 <= code <= 0xDCFF else letter.encode("ascii", "backslashreplace")
    return encoded, error.end


STREAMS = Streams()
