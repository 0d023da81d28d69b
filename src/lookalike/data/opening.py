"""From a file to an opened image: its first bytes say what it is, whatever its name says.

Pillow's plugins are called one by one and not through `Image.open`, which compares sizes with a limit that belongs to
the whole process: ours is in `unreadable.py`, and holds whatever a program has set there.
"""

from __future__ import annotations

from os import PathLike
from struct import error as StructError
from typing import IO, Any

from PIL import Image, TiffImagePlugin, WebPImagePlugin  # noqa: F401 - what they add to Image.OPEN is asked for here

from lookalike.data import jpeg
from lookalike.data.jpeg import Jpeg
from lookalike.data.pillow_warnings import no_errors_from_warnings
from lookalike.data.unreadable import Unreadable, reason_of

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM")  # no program is started for any of them
_PREFIX = 16  # bytes that a plugin is asked to recognise

Image.preinit()  # knows all of the formats above but two, which the imports of their modules add


def open_image(source: str | PathLike[str] | IO[bytes]) -> Image.Image | Jpeg:
    """An image file, its header read and no pixels yet.

    Raises:
        Unreadable: it is no image of a known format.
    """
    try:
        with no_errors_from_warnings():
            return jpeg.opened(source) or opened_by_pillow(source)
    except Exception as error:
        raise Unreadable(reason_of(error)) from error


def opened_by_pillow(source: str | PathLike[str] | IO[bytes]) -> Image.Image:
    """The same by Pillow, whatever the image is.

    Raises:
        Unreadable: as `open_image`.
        Exception: nearly anything, where the file is damaged.
    """
    if isinstance(source, str | PathLike):
        with open(source, "rb") as file:
            head = file.read(_PREFIX)
    else:
        source.seek(0)
        head = source.read(_PREFIX)
    for name in _FORMATS:
        plugin, accepts = Image.OPEN[name]
        accepted = accepts is None or accepts(head)
        if not accepted or isinstance(accepted, str):  # a text says why this machine's Pillow cannot
            continue
        if not isinstance(source, str | PathLike):
            source.seek(0)
        given: Any = source  # a path is taken too, and the file is then closed with the image
        try:
            return plugin(given, "")
        except (SyntaxError, IndexError, TypeError, StructError):  # not its kind after all, or damaged
            continue
    raise Unreadable("no image of a known format (damaged or misnamed)")
