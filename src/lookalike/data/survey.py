"""The headers of a listing's images: how many channels and how large canvases the collection needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lookalike.core.machine import cores
from lookalike.data.decode import Header, header
from lookalike.data.listing import Entry
from lookalike.data.store_format import Shape

NATIVE = 64  # images that are all one square up to this many pixels keep their size
SCALED = 64  # else this is what the network sees, unless somebody says otherwise
FINER = 2  # side of a canvas at most, in sides of what the network sees: small crops show details


def survey(entries: Sequence[Entry], image_size: int | None) -> Shape:
    """The canvases of a collection, from all headers that can be read.

    All grey is one channel, grey beside colour is colour. Where arrays differ in their number of channels, that of
    most images counts, and decoding refuses the others.
    """
    with ThreadPoolExecutor(cores()) as pool:
        found = [head for head in pool.map(_header, entries) if head is not None]
    channels = most_common_channels([head.channels for head in found])
    fitting = [head for head in found if head.channels == channels or (head.channels, channels) == (1, 3)]
    sizes = {(head.width, head.height) for head in fitting}
    longest = max((max(size) for size in sizes), default=SCALED)
    width, height = next(iter(sizes)) if len(sizes) == 1 else (0, 1)
    side = image_size or (width if width == height <= NATIVE else SCALED)
    colour = all(head.kind != "channels" for head in fitting)
    return Shape(channels, min(longest, FINER * side), side, colour)


def most_common_channels(channels: Sequence[int]) -> int:
    """The number of channels that most images can be brought to; the smaller of two that are equally common."""
    count = Counter(channels)
    usable = {c: n + (count[1] if c == 3 else 0) for c, n in count.items()}
    return min(usable, key=lambda c: (-usable[c], c), default=3)


def _header(entry: Entry) -> Header | None:
    """What an image says of itself; None where it cannot be read, of which decoding will say why."""
    try:
        raw = entry.open()
        try:
            return header(raw)
        finally:
            if not isinstance(raw, np.ndarray):
                raw.close()
    except Exception:  # a broken file raises anything
        return None
