"""PPM, PGM and PFM files of more than 8 bits a value, which Pillow cuts to 8 where there is colour."""

from __future__ import annotations

import re
from os import PathLike
from pathlib import Path
from typing import IO

import numpy as np

from lookalike.data.deep import DeepImage, Values
from lookalike.data.unreadable import Unreadable

_COMMENT = rb"(?:\s|#[^\r\n]*[\r\n])"
_HEADER = re.compile(
    rb"P([2356Ff])" + _COMMENT + rb"+(\d{1,9})" + _COMMENT + rb"+(\d{1,9})" + _COMMENT + rb"+(-?[\d.eE+-]{1,30})\s"
)
_LONGEST = 1000  # bytes of a header


def opened(source: str | PathLike[str] | IO[bytes], head: bytes) -> DeepImage | None:
    """A PPM or PGM file of 16 bits or a PFM file of floats; None for anything else."""
    if not re.match(rb"P[2356Ff]\s", head):
        return None
    if isinstance(source, str | PathLike):
        with open(source, "rb") as file:
            start = file.read(_LONGEST)
    else:
        source.seek(0)
        start = source.read(_LONGEST)
    header = _HEADER.match(start)
    if header is None:
        return None
    kind, width, height = header[1].decode(), int(header[2]), int(header[3])
    scale = float(header[4])
    channels = 3 if kind in "36F" else 1
    floats = kind in "Ff"
    if not floats and not 255 < scale < 65536:
        return None

    def values() -> Values:
        if isinstance(source, str | PathLike):
            data = Path(source).read_bytes()[header.end() :]
        else:
            source.seek(header.end())
            data = source.read()
        number = width * height * channels
        if kind in "23":
            x: np.ndarray = np.array(data.split()[:number], dtype=np.int64)
        else:
            dtype = np.dtype(("<f4" if scale < 0 else ">f4") if floats else ">u2")
            x = np.frombuffer(data, dtype, count=min(number, len(data) // dtype.itemsize))
        if x.size != number:
            raise Unreadable("cut short: not all of its pixels are there")
        x = x.astype(np.float32 if floats else np.uint16).reshape(height, width, channels)
        return Values(x[::-1] if floats else x)  # floats are stored from the lowest line upwards

    return DeepImage(
        width,
        height,
        channels,
        bits=32 if floats else 16,
        kind="colour" if channels == 3 else "grey",
        values=values,
        release=lambda: None if isinstance(source, str | PathLike) else source.close(),
    )
