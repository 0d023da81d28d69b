"""JPEG files by what their first bytes say: size, channels and orientation, and pixels by simplejpeg where it is there.

Most photos are JPEG, and opening one with Pillow takes a third of what decoding it small does, so the few segments
that matter are read here. Only what is usual is: anything else is left to Pillow, which knows more kinds of files and
says better what is wrong with one.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from struct import error as StructError
from struct import unpack_from
from typing import IO

import numpy as np

from lookalike.data.jpeg_end import has_end, with_end

try:
    import simplejpeg
except Exception:  # an extra; a build for other libraries may fail in any way
    simplejpeg = None

_HEAD = 2**17  # bytes that are read to find the header; a longer one is left to Pillow
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive
_ODD_FRAMES = {
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical",
    0xC7: "lossless, hierarchical",
    0xCB: "lossless, arithmetic coding",
    0xCD: "hierarchical, arithmetic coding",
    0xCE: "hierarchical, arithmetic coding",
    0xCF: "lossless, hierarchical, arithmetic coding",
}
_NOT_HERE = (*_ODD_FRAMES, 0xC9, 0xCA)  # of which Pillow reads the last two, of arithmetic coding
_CONVERT = "convert it to PNG or to a JPEG of 8 bits first"
_SCAN, _EXIF_OR_XMP, _SEVERAL_PICTURES = 0xDA, 0xE1, 0xE2
_ORIENTATION, _SHORT = 0x0112, 3
_EIGHTHS = (1, 2, 4, 8)  # the scales that are computed with vector instructions; five and more take longer than all


@dataclass
class Jpeg:
    """A JPEG file of a usual kind, opened and not decoded."""

    head: bytes
    """How it begins."""
    file: IO[bytes] | None
    """What has the rest; None where `head` is all."""
    width: int
    """Pixels as stored, before it is turned upright."""
    height: int
    grey: bool
    orientation: int
    """As EXIF has it; 1 where nothing is said."""

    def read(self) -> bytes:
        """All of the file."""
        if self.file is not None:
            self.head += self.file.read()
            self.close()
        return self.head

    def close(self) -> None:
        """Close the file; may be called again."""
        if self.file is not None:
            self.file.close()
            self.file = None

    def decoded(self, width: int, height: int) -> tuple[np.ndarray, tuple[float, float]] | None:
        """Pixels by simplejpeg at the smallest of a few scales that is not below what is asked for.

        Returns:
            uint8 [h, w, C], and width and height of the part that the image fills, as sizes are rounded up: at an
            eighth 90 lines become 11.25 of 12. None where Pillow has to do it.
        """
        if simplejpeg is None:
            return None
        least = max(8 * width / self.width, 8 * height / self.height)
        eighths = next(k for k in _EIGHTHS if k >= least)
        width, height = -(-self.width * eighths // 8), -(-self.height * eighths // 8)
        colours = "GRAY" if self.grey else "RGB"
        try:
            pixels = simplejpeg.decode_jpeg(self.read(), colours, min_width=width, min_height=height)
        except ValueError:  # what it is strict about, Pillow may read, or say better what is wrong
            if has_end(self.head):
                return None
            try:  # it would say so, if more than the end marker were missing
                pixels = simplejpeg.decode_jpeg(with_end(self.head), colours, min_width=width, min_height=height)
            except ValueError:
                return None
        if pixels.shape[:2] != (height, width):
            return None
        return pixels, (self.width * eighths / 8, self.height * eighths / 8)


def decoder() -> str:
    """What decodes them beside Pillow, with its version; empty where there is none."""
    return "" if simplejpeg is None else f"simplejpeg {getattr(simplejpeg, '__version__', '')}"


def opened(source: str | PathLike[str] | IO[bytes]) -> tuple[Jpeg | None, bytes]:
    """A JPEG file of a usual kind, its header read; None for anything else, which is then as it was.

    Returns:
        The file, and its first bytes, whatever it is.

    Raises:
        OSError: it cannot be opened or read.
    """
    by_name = isinstance(source, str | PathLike)
    file = open(source, "rb") if isinstance(source, str | PathLike) else source  # noqa: SIM115 - stays open for the rest
    image = None
    if not by_name:
        file.seek(0)
    try:
        head = file.read(_HEAD)
        image = _parsed(head)
        if image is not None and len(head) == _HEAD:
            image.file = file
    finally:
        if by_name and (image is None or image.file is None):
            file.close()
    return image, head


def unusual(head: bytes) -> str:
    """Why a JPEG file that nothing here could open cannot be read; empty where that is not known."""
    at = 2
    try:
        while head[:3] == b"\xff\xd8\xff":
            mark, kind, length, bits = unpack_from(">BBHB", head, at)
            if mark == 0xFF and kind in _ODD_FRAMES:
                return f"a JPEG of a kind that is not read ({_ODD_FRAMES[kind]}): {_CONVERT}"
            if mark == 0xFF and kind in _FRAMES and bits != 8:
                return f"a JPEG of {bits} bits a value, which is not read: {_CONVERT}"
            if mark != 0xFF or kind == _SCAN or kind in _FRAMES:
                break
            at += 2 + length
    except StructError:
        pass
    return ""


def _parsed(head: bytes) -> Jpeg | None:
    """What the segments before the first scan say; None where anything about them is unusual."""
    if head[:3] != b"\xff\xd8\xff":
        return None
    size, orientation, xmp = None, None, False
    at = 2
    try:
        while True:
            mark, kind, length = unpack_from(">BBH", head, at)
            if mark != 0xFF or kind < 0xC0 or kind in _NOT_HERE or 0xD0 <= kind <= 0xD9 or length < 2:
                return None
            if kind == _SCAN:
                break
            if at + 2 + length > len(head):
                return None
            if kind in _FRAMES:
                if size is not None:
                    return None
                bits, height, width, channels = unpack_from(">BHHB", head, at + 4)
                if bits != 8 or channels not in (1, 3) or not height or not width:
                    return None
                size = width, height, channels == 1
            elif kind == _EXIF_OR_XMP and head.startswith(b"Exif\0\0", at + 4):
                if orientation is not None:
                    return None
                orientation = _orientation(head[at + 10 : at + 2 + length])
            elif kind == _EXIF_OR_XMP and head.find(b"tiff:Orientation", at, at + 2 + length) >= 0:
                xmp = True
            elif kind == _SEVERAL_PICTURES and head.startswith(b"MPF\0", at + 4):
                return None
            at += 2 + length
    except (StructError, ValueError):
        return None
    if size is None or (xmp and not orientation):
        return None
    return Jpeg(head, None, *size, orientation or 1)


def _orientation(exif: bytes) -> int:
    """The orientation in the first directory of TIFF tags, 0 where the directory has none.

    Raises:
        ValueError, struct.error: the tags are unusual or cut short.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        raise ValueError("no TIFF header")
    (start,) = unpack_from(f"{order}I", exif, 4)
    (count,) = unpack_from(f"{order}H", exif, start)
    orientation = 0
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, values, value = unpack_from(f"{order}HHIH", exif, at)
        if tag == _ORIENTATION:
            if orientation or kind != _SHORT or values != 1:
                raise ValueError("an unusual orientation")
            orientation = value or 1
    return orientation
