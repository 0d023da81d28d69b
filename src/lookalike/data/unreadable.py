"""Why an image cannot be read, in words, and the sizes above which none is."""

from __future__ import annotations

from PIL import Image, UnidentifiedImageError

from lookalike.core.words import counted

MOST_PIXELS = 178_956_970
"""Pixels above which an image is taken for a decompression bomb and not decoded."""
MOST_VALUES = 4 * MOST_PIXELS
"""The same for the values of an image of any number of channels."""
_PILLOW = {
    "Truncated File Read": "truncated: it ends within its header",
    "decoder error": "damaged: its pixels cannot be decoded",
    "could not create decoder object": "damaged: its pixels cannot be decoded",
    "broken data stream": "damaged: its pixels cannot be decoded",
    "unrecognized data stream contents": "damaged: its pixels cannot be decoded",
}
"""How errors of Pillow begin, and what they mean."""


class Unreadable(Exception):
    """There are no pixels to be had; the text says why."""


def reason_of(error: BaseException) -> str:
    """Why something cannot be read, in words and on one line."""
    if isinstance(error, UnidentifiedImageError):
        return "no image of a known format (damaged or misnamed)"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return _too_large()
    if isinstance(error, MemoryError):
        return "does not fit into memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split())
    if isinstance(error, OSError):
        text = next((ours for theirs, ours in _PILLOW.items() if text.startswith(theirs)), text)
    if text in _PILLOW.values():
        return text
    return text if isinstance(error, Unreadable) and text else f"{text or 'damaged'} ({type(error).__name__})"


def check_size(width: int, height: int, channels: int = 1) -> None:
    """Refuse what holds nothing or more than the memory should be asked for.

    Raises:
        Unreadable: so it is.
    """
    if width < 1 or height < 1 or channels < 1:
        raise Unreadable(f"holds no pixels ({width} x {height})")
    if width * height > MOST_PIXELS:
        raise Unreadable(_too_large(width, height))
    if width * height * channels > MOST_VALUES:
        raise Unreadable(f"{width} x {height} pixels of {counted(channels, 'channel')}: too large")


def _too_large(width: int | None = None, height: int | None = None) -> str:
    size = f"{width} x {height} pixels: " if width else ""
    return f"{size}too large, more than {MOST_PIXELS // 1_000_000} megapixels (a decompression bomb?)"
