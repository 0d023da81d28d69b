"""HEIC and HEIF files, as phones write them, by pillow-heif where it is there (extra `heif`).

Its reader is asked directly and not registered with Pillow, so that what a program opens stays what it was. libheif
turns images upright; the orientation that is then left in their EXIF data is 1.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from typing import IO

from PIL import Image

from lookalike.data.unreadable import Unreadable

_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"miaf")
_AVIF = (b"avif", b"avis")
_MOST_BRANDS = 256  # bytes of the first box that are looked at


def decoder() -> str:
    """What decodes them, with its version; empty where there is nothing."""
    try:
        return f"pillow-heif {version('pillow-heif')}"
    except PackageNotFoundError:
        return ""


def is_heif(head: bytes) -> bool:
    """Whether a file that begins so is HEIF, and not AVIF, which Pillow reads."""
    if head[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(head[:4], "big"), _MOST_BRANDS, len(head))
    brands = {head[at : at + 4] for at in (8, *range(16, end - 3, 4))}
    return not brands.intersection(_AVIF) and head[8:12] in _HEIC


def opened(source: str | PathLike[str] | IO[bytes], head: bytes) -> Image.Image | None:
    """A HEIF image, its header read; None for anything else.

    Raises:
        Unreadable: pillow-heif is not there, or the file is damaged.
    """
    if not is_heif(head):
        return None
    try:
        pillow_heif = import_module("pillow_heif")
    except Exception as error:  # an extra; a build for other libraries may fail in any way
        raise Unreadable("a HEIC image, which needs pillow-heif: pip install 'lookalike[heif]'") from error
    if not isinstance(source, str | PathLike):
        source.seek(0)
    given: object = source
    try:
        image: Image.Image = pillow_heif.HeifImageFile(given, "")
    except Exception as error:  # it raises nearly anything
        raise Unreadable(f"a damaged HEIC image ({error})") from error
    return image
