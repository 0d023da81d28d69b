"""TIFF files of more than 8 bits a value, of floats, and of any number of bands.

Files of 8 bits that are grey or in colour, with or without alpha, are left to Pillow. The first page of a file is read,
with those that hold the other channels of its picture. A fourth band is alpha where the file says so, and otherwise a
band like the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from typing import IO

import numpy as np

from lookalike.data.deep import DeepImage, Kind, Values
from lookalike.data.signatures import RAW
from lookalike.data.tiff_channels import channel_pages
from lookalike.data.tiff_codecs import JPEG, check, unpacked, unpacked_jpeg
from lookalike.data.tiff_tags import MAGIC, Tags, read
from lookalike.data.unreadable import MOST_VALUES, Unreadable

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _COLOUR, _PALETTE, _CMYK, _YCBCR, _LAB = 0, 1, 2, 3, 5, 6, 8
_RAW = (32803, 34892)  # kinds of values as a sensor gives them
_UNSIGNED, _SIGNED, _FLOAT, _UNKNOWN, _COMPLEX_INTEGER, _COMPLEX = 1, 2, 3, 4, 5, 6
_KINDS = {_UNSIGNED: "u", _SIGNED: "i", _FLOAT: "f", _UNKNOWN: "u"}
_PREMULTIPLIED, _ALPHA, _ALPHA_OF_COREL = 1, 2, 999
_HORIZONTAL, _FLOATING = 2, 3  # predictors


@dataclass(frozen=True)
class _Layout:
    """What the tags say of one page."""

    tags: Tags
    width: int
    height: int
    samples: int
    bits: int
    sample_format: int
    photometric: int
    extras: tuple[int, ...]

    @staticmethod
    def from_tags(tags: Tags) -> _Layout:
        samples = tags.one(277, 1)
        bits, formats = set(tags.all(258) or (1,)), set(tags.all(339) or (_UNSIGNED,))
        if len(bits) != 1 or len(formats) != 1:
            raise Unreadable(f"a TIFF whose bands differ in their type (bits {sorted(bits)}): save each in a file")
        kind = tags.one(262, _BLACK_IS_ZERO if samples < 3 else _COLOUR)
        size = tags.one(256), tags.one(257)
        return _Layout(tags, *size, samples, bits.pop(), formats.pop(), kind, tags.all(338))

    @property
    def left_to_pillow(self) -> bool:
        """Whether Pillow reads it as it is."""
        if self.photometric in (_CMYK, _YCBCR, _LAB):
            return True
        if self.bits > 8 or self.sample_format not in (_UNSIGNED, _UNKNOWN):
            return False
        if self.photometric == _PALETTE or self.samples == 1:
            return True
        if self.grey:
            return self.samples == 2 and self.alpha is not None
        return self.photometric == _COLOUR and (self.samples == 3 or (self.samples == 4 and self.alpha is not None))

    @property
    def alpha(self) -> int | None:
        """The band that says what is opaque, and is no channel; None where there is none."""
        colours = self.samples - len(self.extras)
        for place, extra in enumerate(self.extras):
            if extra in (_PREMULTIPLIED, _ALPHA, _ALPHA_OF_COREL) and 0 < colours + place < self.samples:
                return colours + place
        return None

    @property
    def grey(self) -> bool:
        """Whether its values are brightness."""
        return self.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO)

    @property
    def shape(self) -> tuple[object, ...]:
        """What pages have in common that are one picture."""
        return self.width, self.height, self.samples, self.bits, self.sample_format, self.photometric

    @property
    def premultiplied(self) -> bool:
        """Whether colours are stored as they look on black."""
        return self.alpha is not None and self.extras[self.alpha - self.samples] == _PREMULTIPLIED

    @property
    def dtype(self) -> np.dtype:
        """Of the values in memory, in this machine's order."""
        size = next(size for size in (8, 16, 32, 64) if self.bits <= size)
        return np.dtype(f"{_KINDS[self.sample_format]}{size // 8}")

    def refuse_unknown(self) -> None:
        """
        Raises:
            Unreadable: the values mean something that is not read here.
        """
        if self.photometric in _RAW or 50706 in self.tags:
            raise Unreadable("a camera's raw file (DNG): develop it to TIFF or JPEG first")
        if self.photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _COLOUR):
            raise Unreadable(f"a TIFF of {self.bits} bits whose values are no brightness (kind {self.photometric})")
        if self.sample_format in (_COMPLEX, _COMPLEX_INTEGER):
            raise Unreadable("a TIFF of complex numbers, which are no brightness: save their magnitude")
        whole = self.bits in (8, 16, 32, 64) and (self.sample_format != _FLOAT or self.bits > 8)
        packed = self.bits < 16 and self.sample_format in (_UNSIGNED, _UNKNOWN)
        if self.sample_format not in _KINDS or not (whole or packed):
            raise Unreadable(f"a TIFF of {self.bits} bits a value, which is not read: save it as 16 bits or as float")
        check(self.tags.one(259, 1))
        if self.tags.one(259, 1) == JPEG and self.bits != 8:
            raise Unreadable(f"a TIFF of JPEG with {self.bits} bits a value, which is not read: save it with deflate")


def opened(source: str | PathLike[str] | IO[bytes], head: bytes) -> DeepImage | None:
    """A TIFF file that Pillow would cut down or does not know; None for anything else.

    Raises:
        Unreadable: it is one that is not read here; says which.
        Exception: nearly anything, where its tags are damaged.
    """
    if head[:4] not in MAGIC:
        return None
    by_name = isinstance(source, str | PathLike)
    file = open(source, "rb") if isinstance(source, str | PathLike) else source  # noqa: SIM115 - stays open for the rest
    image = None
    try:
        tags = read(file, head)
        if head[8:10] == b"CR" or (tags.one(254, 0) & 1 and 330 in tags and 271 in tags):  # a small preview comes first
            raise Unreadable(RAW)
        pages = _channel_pages(file, head, tags)
        if len(pages) > 1 or not pages[0].left_to_pillow:
            pages[0].refuse_unknown()
            image = _deep(pages, file, _has_further(file, head, pages))
        return image
    finally:
        if by_name and image is None:
            file.close()


def _channel_pages(file: IO[bytes], head: bytes, first: Tags) -> list[_Layout]:
    """The first page, and those that are the other channels of its picture."""
    layout = _Layout.from_tags(first)
    wanted = channel_pages(first.bytes_.get(270, b"")) if layout.samples == 1 and layout.grey else range(1)
    pages, tags = [layout], first
    for number in range(1, wanted[-1] + 1):
        if not tags.next_page:
            return [layout]  # the others are in files of their own
        tags = read(file, head, tags.next_page)
        if number in wanted:
            pages.append(_Layout.from_tags(tags))
    return pages if len({page.shape for page in pages}) == 1 else [layout]


def _has_further(file: IO[bytes], head: bytes, pages: list[_Layout]) -> bool:
    """Whether another picture follows, and not only a smaller copy or a mask of this one."""
    place = pages[-1].tags.next_page
    try:
        return bool(place) and not read(file, head, place).one(254, 0) & (1 | 4)
    except Unreadable:  # damaged there, and the first page may be whole
        return False


def _deep(pages: list[_Layout], file: IO[bytes], further: bool) -> DeepImage:
    layout = pages[0]
    channels = len(pages) * (layout.samples - (layout.alpha is not None))
    kind: Kind = "channels"
    if channels == 1:
        kind = "grey"
    elif channels == 3 and layout.photometric == _COLOUR:
        kind = "colour"
    return DeepImage(
        layout.width,
        layout.height,
        channels,
        layout.bits,
        kind,
        values=lambda: _values(layout, file) if len(pages) == 1 else _stacked([_values(page, file) for page in pages]),
        orientation=layout.tags.one(274, 1),
        release=file.close,
        further=further,
    )


def _stacked(pages: list[Values]) -> Values:
    missing = [np.zeros(page.x_HWC.shape, bool) if page.missing_HWC is None else page.missing_HWC for page in pages]
    return Values(np.concatenate([page.x_HWC for page in pages], axis=2), None, np.concatenate(missing, axis=2))


def _values(layout: _Layout, file: IO[bytes]) -> Values:
    x = _pixels(layout, file)
    missing = _missing(layout, x)
    alpha = None
    if layout.alpha is not None:
        alpha = x[:, :, layout.alpha].astype(np.float64)
        if layout.sample_format != _FLOAT:
            alpha /= 2**layout.bits - 1
        alpha = np.nan_to_num(alpha).clip(0, 1)
        x = np.delete(x, layout.alpha, axis=2)
        missing = None if missing is None else np.delete(missing, layout.alpha, axis=2)
    if layout.photometric == _WHITE_IS_ZERO:
        x = -x if layout.sample_format == _FLOAT else np.invert(x)
        if x.dtype.kind == "u":
            x &= x.dtype.type(2**layout.bits - 1)
    if layout.bits < 8:
        x = (x * (255.0 / (2**layout.bits - 1))).round().astype(np.uint8)
    if layout.premultiplied and alpha is not None:
        with np.errstate(all="ignore"):
            clear = np.where(alpha[:, :, None] > 0, x / alpha[:, :, None], 0)
        x = clear.round().clip(0, 255).astype(np.uint8) if x.dtype == np.uint8 else clear
    return Values(x, alpha, missing)


def _missing(layout: _Layout, x: np.ndarray) -> np.ndarray | None:
    """Where the value is the one by which GDAL marks what is not there."""
    try:
        value = float(layout.tags.bytes_.get(42113, b"nan").strip(b" \0"))
    except ValueError:
        return None
    if np.isnan(value) or layout.dtype == np.uint8:
        return None
    with np.errstate(all="ignore"):
        same = x == (x.dtype.type(value) if x.dtype.kind == "f" else value)
    return same if same.any() else None


@dataclass(frozen=True)
class _Piece:
    """A strip or tile and where it lies."""

    offset: int
    size: int | None
    """Bytes; None where the tags do not say."""
    top: int
    left: int
    rows: int
    columns: int
    first: int
    """Its first sample."""


def _pieces(layout: _Layout) -> Iterator[_Piece]:
    tags = layout.tags
    tiled = 322 in tags
    columns = tags.one(322) if tiled else layout.width
    rows = tags.one(323) if tiled else min(tags.one(278, layout.height), layout.height)
    offsets, sizes = (tags.all(324), tags.all(325)) if tiled else (tags.all(273), tags.all(279))
    if not 0 < rows * columns * layout.samples <= MOST_VALUES:
        raise Unreadable("damaged: its strips or tiles have an impossible size")
    number = 0
    for first in range(layout.samples if tags.one(284, 1) == 2 else 1):
        for top in range(0, layout.height, rows):
            for left in range(0, layout.width, columns):
                if number >= len(offsets):
                    raise Unreadable("damaged: strips or tiles are missing")
                size = sizes[number] if number < len(sizes) else None
                piece_rows = rows if tiled else min(rows, layout.height - top)
                yield _Piece(offsets[number], size, top, left, piece_rows, columns, first)
                number += 1


def _pixels(layout: _Layout, file: IO[bytes]) -> np.ndarray:
    """All values as stored, [H, W, samples]."""
    tags = layout.tags
    apart = tags.one(284, 1) == 2
    samples = 1 if apart else layout.samples
    out = np.zeros((layout.height, layout.width, layout.samples), layout.dtype)
    for piece in _pieces(layout):
        if piece.offset == 0 or piece.size == 0:  # was never written, as GDAL leaves out what is empty
            values = np.zeros((piece.rows, piece.columns, samples), layout.dtype)
        else:
            values = _piece_values(layout, file, piece, samples)
        bottom, right = min(piece.top + piece.rows, layout.height), min(piece.left + piece.columns, layout.width)
        values = values[: bottom - piece.top, : right - piece.left]
        out[piece.top : bottom, piece.left : right, piece.first : piece.first + samples] = values
    return out


def _piece_values(layout: _Layout, file: IO[bytes], piece: _Piece, samples: int) -> np.ndarray:
    """[rows, columns, samples] of one strip or tile."""
    tags, rows, columns = layout.tags, piece.rows, piece.columns
    row_bytes = -(-columns * samples * layout.bits // 8)
    file.seek(piece.offset)
    data = file.read(rows * row_bytes if piece.size is None else piece.size)
    compression = tags.one(259, 1)
    if compression == JPEG:
        return unpacked_jpeg(data, tags.bytes_.get(347, b""), rows, columns, samples)
    lines = np.frombuffer(unpacked(data, compression, rows, row_bytes, tags.one(266, 1) == 2), np.uint8)
    lines = lines.reshape(rows, row_bytes)
    if layout.bits not in (8, 16, 32, 64):
        bits = np.unpackbits(lines, axis=1)[:, : columns * samples * layout.bits]
        weights = 1 << np.arange(layout.bits - 1, -1, -1, dtype=np.int64)
        return (bits.reshape(rows, columns, samples, layout.bits) @ weights).astype(layout.dtype)
    predictor = tags.one(317, 1)
    size = layout.bits // 8
    if predictor == _FLOATING:
        sums = np.cumsum(lines.reshape(rows, columns * size, samples), axis=1, dtype=np.uint8)
        planes = sums.reshape(rows, size, columns * samples).transpose(0, 2, 1)  # the first byte of all values, ...
        whole = np.ascontiguousarray(planes).view(f">{layout.dtype.kind}{size}")
        return whole.reshape(rows, columns, samples).astype(layout.dtype)
    stored = layout.dtype.newbyteorder(tags.order)
    values = lines.view(stored).reshape(rows, columns, samples).astype(layout.dtype)
    if predictor == _HORIZONTAL:
        words = np.dtype(f"u{size}")
        values = np.cumsum(values.view(words), axis=1, dtype=words).view(layout.dtype)
    return values
