"""TIFF files of microscopes, which keep one channel a page: which pages are the channels of the first picture.

ImageJ and OME write it into the description of the first page. Where neither has done so, pages are pages, and the
first one is read.
"""

from __future__ import annotations

import re

_MOST, _MOST_PAGES = 1024, 2**16  # channels, and pages up to the last of them
_WORD = re.compile(rb"^(\w+)=(\d+)\s*$", re.MULTILINE)
_PIXELS = re.compile(rb"<(?:\w+:)?Pixels\b[^>]*>")
_ATTRIBUTE = re.compile(rb'\b(SizeC|SizeZ|SizeT|DimensionOrder)="(\w+)"')


def channel_pages(description: bytes) -> range:
    """The pages, counted from 0, that are the channels of the first picture; one page where the text says nothing."""
    if description.startswith(b"ImageJ="):
        words = {name: int(number) for name, number in _WORD.findall(description)}
        return range(_sane(words.get(b"channels", 1)))  # its order is fixed: channels change first
    pixels = _PIXELS.search(description)
    if pixels is None or b"openmicroscopy.org" not in description:
        return range(1)
    attributes = dict(_ATTRIBUTE.findall(pixels[0]))
    try:
        channels = _sane(int(attributes[b"SizeC"]))
        step = 1
        for axis in attributes[b"DimensionOrder"].decode()[
            2:
        ]:  # behind X and Y, the axis that changes first before others
            if axis == "C":
                return range(0, channels * step, step) if channels * step <= _MOST_PAGES else range(1)
            step *= int(attributes[b"Size" + axis.encode()])
    except (KeyError, ValueError):
        pass
    return range(1)


def _sane(channels: int) -> int:
    return channels if 1 <= channels <= _MOST else 1
