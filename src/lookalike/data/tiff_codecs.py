"""The pieces of a TIFF file (strips and tiles), from bytes as stored to bytes of values.

Compressions that Python has no module for are undone by libtiff, which is in Pillow: the piece is handed to it as a
TIFF file of one grey strip whose bytes are the pixels.
"""

from __future__ import annotations

import io
import lzma
import zlib
from struct import pack

import numpy as np
from PIL import Image, TiffImagePlugin

from lookalike.core.words import counted
from lookalike.data.unreadable import Unreadable

PLAIN, LZW, JPEG, DEFLATE, PACKBITS, OLD_DEFLATE, LZMA, ZSTD = 1, 5, 7, 8, 32773, 32946, 34925, 50000
_NAMES = {
    2: "CCITT",
    3: "CCITT fax",
    4: "CCITT fax",
    6: "old JPEG",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34676: "SGI LogLuv",
    34677: "SGI LogLuv",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG of DNG",
    34933: "PNG",
    50001: "WebP",
    50002: "JPEG XL",
}
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_REMEDY = "save it uncompressed or with deflate, as `gdal_translate -co COMPRESS=DEFLATE IN.tif OUT.tif` does"


def check(compression: int) -> None:
    """Refuse what `unpacked` does not know.

    Raises:
        Unreadable: by name, with a remedy.
    """
    if compression not in (PLAIN, LZW, JPEG, DEFLATE, PACKBITS, OLD_DEFLATE, LZMA, ZSTD):
        name = _NAMES.get(compression, f"number {compression}")
        raise Unreadable(f"a TIFF whose compression ({name}) is not read for images of this kind: {_REMEDY}")


def unpacked(data: bytes, compression: int, rows: int, row_bytes: int, reversed_bits: bool) -> bytes:
    """The bytes of `rows` lines, `row_bytes` each.

    Raises:
        Unreadable: there are fewer.
        Exception: what zlib, lzma or Pillow says of damaged data.
    """
    need = rows * row_bytes
    if reversed_bits:
        data = data.translate(_REVERSED)
    if compression in (DEFLATE, OLD_DEFLATE):
        data = zlib.decompressobj().decompress(data, need)
    elif compression == LZMA:
        data = lzma.LZMADecompressor().decompress(data, need)
    elif compression != PLAIN:
        data = _by_libtiff(data, compression, row_bytes, rows, 1).tobytes()
    if len(data) < need:
        raise Unreadable("cut short: not all of its pixels are there")
    return data[:need]


def unpacked_jpeg(data: bytes, tables: bytes, rows: int, columns: int, samples: int) -> np.ndarray:
    """The values of a piece that is a JPEG, uint8 [rows, columns, samples]."""
    if samples not in (1, 3):
        raise Unreadable(f"a TIFF whose pieces are JPEG of {counted(samples, 'channel')}: {_REMEDY}")
    image = _by_libtiff(data, JPEG, columns, rows, samples, tables)
    return np.asarray(image).reshape(rows, columns, samples)


def _by_libtiff(
    data: bytes, compression: int, width: int, height: int, samples: int, tables: bytes = b""
) -> Image.Image:
    short, long, undefined = 3, 4, 7
    start = 8  # of the data, behind the header
    end = start + len(data)
    bits = 8 if samples == 1 else end  # three numbers do not fit into the tag, which then says where they are
    end += 8
    entries = [
        (256, long, 1, width),
        (257, long, 1, height),
        (258, short, samples, bits),
        (259, short, 1, compression),
        (262, short, 1, 1 if samples == 1 else 2),
        (273, long, 1, start),
        (277, short, 1, samples),
        (278, long, 1, height),
        (279, long, 1, len(data)),
    ]
    if tables:
        entries.append((347, undefined, len(tables), end))
    directory = pack("<H", len(entries)) + b"".join(pack("<HHII", *entry) for entry in entries) + bytes(4)
    head = pack("<2sHI", b"II", 42, end + len(tables))
    file = io.BytesIO(head + data + pack("<4H", 8, 8, 8, 0) + tables + directory)
    with TiffImagePlugin.TiffImageFile(file, "") as image:
        image.load()
        return image.copy()
