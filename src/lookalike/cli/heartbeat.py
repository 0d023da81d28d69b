"""Where the command line says what is being done, and whether on one live line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lookalike.cli.streams import STREAMS
from lookalike.core.heartbeat import ERASE, Heartbeat

_ON_STDOUT = ("train", "auto", "finetune", "demo")
"""Commands of which most that they print is how it goes, which is said on stdout too."""


@contextmanager
def heartbeat(command: str, words: Sequence[str]) -> Iterator[None]:
    """Say inside how far `command` is; of several processes the first one does.

    What a command prints may be for other programs, so that it is said on stderr; that of trainings on stdout, unless
    JSON was asked for.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    stream = sys.stdout if command in _ON_STDOUT and "--json" not in words else sys.stderr
    with Heartbeat(stream, _is_live(stream)) as beating:
        outputs = [output for output in (STREAMS.out, STREAMS.err) if output is not None and output.isatty()]
        for output in outputs:
            output.before = lambda: _taken_away(beating)
        try:
            yield
        finally:
            for output in outputs:
                output.before = bytes


def _is_live(stream: object) -> bool:
    """Whether a stream is a terminal in which a line can be renewed in place, and nobody asked for plain output."""
    isatty = getattr(stream, "isatty", None)
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM", "dumb") == "dumb"
    return not plain and isatty is not None and isatty()


def _taken_away(beating: Heartbeat) -> bytes:
    """What takes the live line away before something else is written to the terminal."""
    if not beating.drawn:
        return b""
    beating.drawn = False
    return ERASE.encode()
