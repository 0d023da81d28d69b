"""Whether it is for lack of space that a file cannot be written, and what can be spared then."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lookalike.core.errors import MachineError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_full(error: BaseException | None) -> bool:
    """Whether an error comes of a full disk, a quota or a limit of file sizes."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__
    return False


@contextmanager
def unless_full(say: Callable[[str], None], what: str) -> Iterator[None]:
    """Let what fails in here because the disk is full be told (`what` comes of it), and fail no more.

    Raises:
        MachineError: anything else.
    """
    try:
        yield
    except MachineError as error:
        if not is_full(error):
            raise
        say(f"the disk is full: {what}")
