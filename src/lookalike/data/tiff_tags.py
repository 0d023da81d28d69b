"""The tags of a TIFF file's pages, in both orders of bytes and in both sizes of files."""

from __future__ import annotations

from dataclasses import dataclass
from struct import unpack, unpack_from
from typing import IO, Literal

from lookalike.data.unreadable import Unreadable

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TYPES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_NEEDED = (256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 338, 339, 347)
_BYTES, _TEXT, _UNDEFINED = 1, 2, 7
_MOST_TAGS = 4096
_MOST_BYTES = 2**28  # of one tag: the places of very many tiles


@dataclass(frozen=True)
class Tags:
    """What a page says of itself."""

    order: Literal["<", ">"]
    """Of the bytes of the file's numbers."""
    numbers: dict[int, tuple[float, ...]]
    """By tag."""
    bytes_: dict[int, bytes]
    """Texts, and bytes of no meaning in particular."""
    next_page: int
    """Where its tags are; 0 where there is none."""

    def __contains__(self, tag: int) -> bool:
        return tag in self.numbers or tag in self.bytes_

    def all(self, tag: int) -> tuple[int, ...]:
        """Its integers; none where it is not there."""
        return tuple(map(int, self.numbers.get(tag, ())))

    def one(self, tag: int, default: int | None = None) -> int:
        """Its first integer.

        Raises:
            Unreadable: it is not there, and there is no default.
        """
        values = self.numbers.get(tag)
        if values:
            return int(values[0])
        if default is None:
            raise Unreadable(f"a damaged TIFF: its tag {tag} is missing")
        return default


def read(file: IO[bytes], head: bytes, start: int | None = None) -> Tags:
    """The tags of a page.

    Args:
        file: at any place.
        head: its first 16 bytes or more, which begin as `MAGIC` says.
        start: where they are (`Tags.next_page` of the page before); None: those of the first page.

    Raises:
        Unreadable: they are not where the file says.
    """
    order: Literal["<", ">"] = "<" if head[:1] == b"I" else ">"
    large = head[2:4] in (b"+\0", b"\0+")
    # of a large file: the formats of the number of tags, of a tag, and of what it counts and where that lies
    counts, entry, word = ("Q", "HHQ", "Q") if large else ("H", "HHI", "I")
    number_size, entry_size, word_size = (8, 20, 8) if large else (2, 12, 4)
    if len(head) < (16 if large else 8):
        raise Unreadable("truncated: it ends within its header")
    if start is None:
        (start,) = unpack_from(f"{order}{word}", head, 8 if large else 4)
        assert start is not None
    (number,) = unpack(f"{order}{counts}", _at(file, start, number_size))
    if number > _MOST_TAGS:
        raise Unreadable("a damaged TIFF: an impossible number of tags")
    directory = _at(file, start + number_size, number * entry_size)
    numbers: dict[int, tuple[float, ...]] = {}
    texts: dict[int, bytes] = {}
    for at in range(0, len(directory), entry_size):
        tag, kind, count = unpack_from(f"{order}{entry}", directory, at)
        letter = "s" if kind in (_TEXT, _UNDEFINED) else _TYPES.get(kind)
        if letter is None:  # fractions, which say nothing that is needed
            continue
        size = count * _size(letter)
        if size > _MOST_BYTES:
            raise Unreadable("a damaged TIFF: a tag of impossible size")
        place = at + entry_size - word_size
        if size <= word_size:
            content = directory[place : place + size]
        else:
            try:
                content = _at(file, unpack_from(f"{order}{word}", directory, place)[0], size)
            except Unreadable:
                if tag in _NEEDED:
                    raise
                continue
        if letter == "s" or kind == _BYTES:
            texts[tag] = content
        if letter != "s":
            numbers[tag] = unpack(f"{order}{count}{letter}", content)
    return Tags(order, numbers, texts, _next(file, order + word, word_size, start + number_size + len(directory)))


def _size(letter: str) -> int:
    """Bytes of one value."""
    return {"s": 1, "B": 1, "b": 1, "H": 2, "h": 2, "I": 4, "i": 4, "f": 4}.get(letter, 8)


def _next(file: IO[bytes], form: str, size: int, place: int) -> int:
    file.seek(place)
    data = file.read(size)
    return int(unpack(form, data)[0]) if len(data) == size else 0


def _at(file: IO[bytes], place: int, size: int) -> bytes:
    file.seek(place)
    data = file.read(size)
    if len(data) < size:
        raise Unreadable("truncated: its tags lie beyond its end")
    return data
