"""JPEG files that stop early: whole but for the end marker, or cut short in the middle of the picture.

A decoder that is given only the end marker fills what is missing with grey and says nothing. So such a file is decoded
twice, with other bytes between its own and the marker each time: where nothing is missing, they are not looked at and
both pictures are the same.
"""

from __future__ import annotations

import io
import random
import re
from struct import error as StructError
from struct import unpack_from

from PIL import Image, ImageChops, JpegImagePlugin

from lookalike.data.unreadable import Unreadable

_END = b"\xff\xd9"
_PADDING = 64  # zero bytes at the end of a file that were never written, rather than part of the picture
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # ends the data of a scan
_PROGRESSIVE, _SCAN = 0xC2, 0xDA
_COEFFICIENTS = 64


def has_end(data: bytes) -> bool:
    """Whether the end marker is where it belongs; cameras add zero bytes behind it."""
    return data.rstrip(b"\0").endswith(_END) or data.endswith(bytes(_PADDING))


def with_end(data: bytes) -> bytes:
    """The file with an end marker."""
    return data + (_END[1:] if data.endswith(b"\xff") else _END)


def mended(data: bytes) -> bytes:
    """A JPEG file, that no decoder takes as it is, with an end marker.

    Raises:
        Unreadable: more than that is missing; says how much where that is known.
        Exception: nearly anything, where it is damaged in another way.
    """
    if data.endswith(bytes(_PADDING)):
        raise Unreadable("truncated: the rest of the file is empty (zero bytes)")
    if not _has_all_scans(data):
        raise Unreadable("truncated: the last steps of a progressive JPEG are missing")
    rng = random.Random(0)
    noise = bytes(rng.randrange(255) for _ in range(2048))  # and no 255, which would be a marker
    content = data.rstrip(b"\xff")  # half a marker, which the noise would complete
    with _decoded(content + _END) as plain, _decoded(content + noise + _END) as other:
        changed = ImageChops.difference(plain.convert("RGB"), other.convert("RGB")).getbbox()
    if changed is None:
        return with_end(data)
    if plain.info.get("progressive"):
        raise Unreadable("truncated in the middle of a progressive JPEG")
    missing = round(10 * (1 - changed[1] / plain.height))  # roughly, so that many such files have few reasons
    share = f"about {missing * 10} %" if missing else "less than 5 %"
    raise Unreadable(f"truncated: {share} of the picture is missing, at its lower edge")


def _decoded(data: bytes) -> Image.Image:
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(data), "")
    image.load()
    return image


def _has_all_scans(data: bytes) -> bool:
    """Whether a progressive file holds every coefficient to its last bit; true of any other file."""
    exact: dict[int, set[int]] = {}
    at, progressive = 2, False
    try:
        while at + 4 <= len(data):
            mark, kind, length = unpack_from(">BBH", data, at)
            if mark != 0xFF:
                return True  # damaged: the decoder says how
            if kind == _PROGRESSIVE:
                progressive = True
                exact = {data[at + 10 + 3 * k]: set() for k in range(data[at + 9])}
            if kind == _SCAN and progressive:
                number = data[at + 4]
                first, last, bits = unpack_from(">BBB", data, at + 5 + 2 * number)
                if bits & 15 == 0:
                    for k in range(number):
                        exact[data[at + 5 + 2 * k]].update(range(first, last + 1))
            at += 2 + length
            if kind == _SCAN:
                following = _MARKER.search(data, at)
                at = following.start() if following else len(data)
    except (StructError, IndexError, KeyError):
        return True
    return not progressive or all(len(coefficients) == _COEFFICIENTS for coefficients in exact.values())
