"""A first pass over the headers of all images: how many channels and what size the padded images need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from lookalike.core.errors import LookalikeError
from lookalike.core.files import read_json, write_json
from lookalike.core.machine import cores
from lookalike.core.passed_over import PassedOver, Tally, from_records, merged
from lookalike.core.progress import phase
from lookalike.core.thread_map import thread_map
from lookalike.data.decode import Header, header
from lookalike.data.further import REASON, has_further
from lookalike.data.image_index import ImageIndex, ImageRef
from lookalike.data.kinds import suffix_of
from lookalike.data.store_format import Shape

NATIVE = 64  # images that are all one square up to this many pixels keep their size
SCALED = 64  # else this is what the network sees, unless somebody says otherwise
_TINY = 64  # pixels of the longest side up to which one thread is faster than several
FINER = 2  # sides of what the network sees that a padded image has at most, so that small crops show details


@dataclass(frozen=True)
class HeaderScan:
    """What the headers of a collection say."""

    channels: int
    longest: int
    """The longest side of an image, pixels."""
    square: int
    """The side of the images where all are one square, else 0."""
    colour: bool
    """Whether three channels mean red, green and blue."""
    further: tuple[PassedOver, ...] = ()
    """Files of which only the first page or frame is used."""

    def side(self, image_size: int | None) -> int:
        """S, the side of the square that the network sees: `image_size`, else chosen by the images."""
        return image_size or (self.square if 0 < self.square <= NATIVE else SCALED)

    @property
    def threads(self) -> int:
        """How many decode best: for small images threads would wait for the interpreter's lock and each other."""
        return 1 if self.longest <= _TINY else cores()

    def shape(self, side: int) -> Shape:
        """The shape of padded images where the network sees `side` pixels."""
        return Shape(self.channels, min(self.longest, FINER * side))

    def write(self, path: Path) -> None:
        """Keep it, so that headers need not be read again."""
        write_json(path, asdict(self), indent=None)

    def with_further(self, image_index: ImageIndex) -> ImageIndex:
        """The index, with a count of the further pages and frames that are not used."""
        if not self.further:
            return image_index
        return replace(image_index, passed_over=merged([("", image_index.passed_over), ("", self.further)]))

    @staticmethod
    def read(path: Path) -> HeaderScan | None:
        """The scan that `write` has written; None where the file is missing or damaged."""
        try:
            values = read_json(path)
            scan = HeaderScan(**{**values, "further": from_records(values.get("further"))})
        except (LookalikeError, TypeError):
            return None
        plain = (scan.channels, scan.longest, scan.square, scan.colour)
        return scan if all(type(value) in (int, bool) for value in plain) else None


def scan_headers(entries: Sequence[ImageRef]) -> HeaderScan:
    """What a collection needs, from all headers that can be read.

    All grey is one channel, grey beside colour is colour. Where arrays differ in their number of channels, that of
    most images counts, and decoding refuses the others.
    """
    with phase("reading image headers", len(entries)) as p:
        headers = list(p.over(thread_map(_headers, entries, cores())))
    tally = Tally()
    for entry, (_, further) in zip(entries, headers, strict=True):
        if further:
            tally.add(REASON, suffix_of(entry.name), entry.name)
    readable = [head for head, _ in headers if head is not None]
    channels = most_common_channels([head.channels for head in readable])
    fitting = [head for head in readable if head.channels == channels or (head.channels, channels) == (1, 3)]
    sizes = {(head.width, head.height) for head in fitting}
    width, height = next(iter(sizes)) if len(sizes) == 1 else (0, 1)
    longest = max((max(size) for size in sizes), default=SCALED)
    colour = all(head.kind != "channels" for head in fitting)
    return HeaderScan(channels, longest, width if width == height else 0, colour, tally.result())


def most_common_channels(channels: Sequence[int]) -> int:
    """The number of channels that most images can be brought to; the smaller of two that are equally common."""
    count = Counter(channels)
    usable = {c: n + (count[1] if c == 3 else 0) for c, n in count.items()}
    return min(usable, key=lambda c: (-usable[c], c), default=3)


def _headers(entries: Sequence[ImageRef]) -> list[tuple[Header | None, bool]]:
    return [_header(entry) for entry in entries]


def _header(entry: ImageRef) -> tuple[Header | None, bool]:
    """What an image says of itself, and whether others are behind it.

    None where it cannot be read, of which decoding will say why.
    """
    try:
        raw = entry.open()
        try:
            return header(raw), has_further(raw)
        finally:
            if not isinstance(raw, np.ndarray):
                raw.close()
    except Exception:  # a broken file raises anything
        return None, False
