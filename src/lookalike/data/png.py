"""PNG files of 16 bits a value, of which Pillow keeps the upper 8 where there is colour or alpha.

Pillow's decoder undoes compression, filters and interlacing. It is asked twice: for the first byte of each value and
for the second.
"""

from __future__ import annotations

import zlib
from os import PathLike
from pathlib import Path
from struct import unpack_from
from typing import IO

import numpy as np
from PIL import ExifTags, Image

from lookalike.data.deep import DeepImage, Values
from lookalike.data.unreadable import Unreadable

HEAD = 29  # bytes up to the end of what the first chunk says
_MAGIC = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOUR, _GREY_ALPHA, _COLOUR_ALPHA = 0, 2, 4, 6
_LARGEST = 65535


def opened(source: str | PathLike[str] | IO[bytes], head: bytes) -> DeepImage | None:
    """A PNG file of 16 bits; None for anything else."""
    if len(head) < HEAD or head[:8] != _MAGIC or head[12:16] != b"IHDR":
        return None
    width, height, bits, kind = unpack_from(">IIBB", head, 16)
    if bits != 16 or kind not in (_GREY, _COLOUR, _GREY_ALPHA, _COLOUR_ALPHA) or not width or not height:
        return None
    data = Path(source).read_bytes() if isinstance(source, str | PathLike) else _all_of(source)
    chunks = _chunks(data)
    grey = kind in (_GREY, _GREY_ALPHA)
    return DeepImage(
        width,
        height,
        channels=1 if grey else 3,
        bits=16,
        kind="grey" if grey else "colour",
        values=lambda: _values(chunks, width, height, kind, interlaced=head[28]),
        orientation=_orientation(chunks.get(b"eXIf", [b""])[0]),
    )


def _all_of(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _chunks(data: bytes) -> dict[bytes, list[bytes]]:
    """Contents by name, as far as the file goes."""
    chunks: dict[bytes, list[bytes]] = {}
    at = len(_MAGIC)
    while at + 8 <= len(data):
        length, name = unpack_from(">I4s", data, at)
        content = data[at + 8 : at + 8 + length]
        checksum = data[at + 8 + length : at + 12 + length]
        if (
            name == b"IDAT"
            and len(checksum) == 4
            and zlib.crc32(content, zlib.crc32(name)) != unpack_from(">I", checksum)[0]
        ):
            raise Unreadable("damaged: a checksum of its pixels is wrong")
        chunks.setdefault(name, []).append(content)
        if name == b"IEND":
            break
        at += 12 + length
    return chunks


def _values(chunks: dict[bytes, list[bytes]], width: int, height: int, kind: int, interlaced: int) -> Values:
    packed = b"".join(chunks.get(b"IDAT", []))
    size = width, height

    def plane(mode: str, raw: str) -> np.ndarray:
        try:
            return np.asarray(Image.frombytes(mode, size, packed, "zip", raw, interlaced))
        except ValueError as error:
            raise Unreadable("cut short or damaged: not all of its pixels are there") from error

    x: np.ndarray
    if kind == _GREY:
        x = plane("I", "I;16B").astype(np.uint16)[:, :, None]
    elif kind == _GREY_ALPHA:  # in the file it lies as colour with alpha of 8 bits does
        x = np.ascontiguousarray(plane("RGBA", "RGBA")).view(">u2").astype(np.uint16)
    else:
        mode = "RGB" if kind == _COLOUR else "RGBA"
        x = plane(mode, f"{mode};16B").astype(np.uint16) << 8
        x |= plane(mode, f"{mode};16L")
    if kind in (_GREY_ALPHA, _COLOUR_ALPHA):
        return Values(x[:, :, :-1], x[:, :, -1] / _LARGEST)
    clear = chunks.get(b"tRNS", [b""])[0]
    if len(clear) != 2 * x.shape[2]:
        return Values(x)
    return Values(x, 1.0 - (x == np.frombuffer(clear, ">u2")).all(2))


def _orientation(content: bytes) -> int:
    exif = Image.Exif()
    try:
        exif.load(content)
        return int(exif.get(ExifTags.Base.Orientation, 1))
    except Exception:  # as Pillow has it: odd tags say nothing
        return 1
