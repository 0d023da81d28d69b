"""One image in a .npy file."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import IO

import numpy as np

from lookalike.data.axes import channels_last
from lookalike.data.signatures import HEAD, what_is
from lookalike.data.unreadable import Unreadable

MAGIC = b"\x93NUMPY"


def opened(source: str | PathLike[str] | IO[bytes]) -> np.ndarray:
    """An array [H, W, C] of a .npy file; from a path it is mapped into memory and not read yet.

    Raises:
        Unreadable: it is no such file, not whole, or holds no numbers or another number of axes; says which.
        OSError: it is gone or may not be read.
    """
    if isinstance(source, str | PathLike):
        with open(source, "rb") as file:
            head = file.read(HEAD)
    else:
        head = source.read(HEAD)
        source.seek(0)
    if not head.startswith(MAGIC):
        raise Unreadable(what_is(head))
    try:
        if not isinstance(source, str | PathLike):
            x = np.load(source, allow_pickle=False)
        elif Path(source).stat().st_size > HEAD:
            x = np.load(source, mmap_mode="r", allow_pickle=False)
        else:  # one without values cannot be mapped
            x = np.load(source, allow_pickle=False)
    except (ValueError, EOFError, SyntaxError, OverflowError) as error:
        if "pickle" in str(error):
            raise Unreadable("a .npy file of Python objects, which is not read: save numbers") from error
        raise Unreadable(f"no .npy file of numbers: {error}") from error
    return channels_last(x)
