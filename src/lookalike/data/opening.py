"""From a file to an opened image: its first bytes say what it is, whatever its name says.

Pillow's plugins are called one by one and not through `Image.open`, which compares sizes with a limit that belongs to
the whole process: ours is in `unreadable.py`, and holds whatever a program has set there.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from os import PathLike
from struct import error as StructError
from typing import IO

from PIL import Image

from lookalike.data import heif, jpeg, png, pnm, tiff
from lookalike.data.deep import DeepImage
from lookalike.data.jpeg import Jpeg
from lookalike.data.pillow_warnings import no_errors_from_warnings
from lookalike.data.signatures import what_is
from lookalike.data.unreadable import Unreadable, reason_of

_PLUGINS = {
    "JPEG": "JpegImagePlugin",
    "PNG": "PngImagePlugin",
    "WEBP": "WebPImagePlugin",
    "BMP": "BmpImagePlugin",
    "DIB": "BmpImagePlugin",
    "GIF": "GifImagePlugin",
    "TIFF": "TiffImagePlugin",
    "PPM": "PpmImagePlugin",
    "AVIF": "AvifImagePlugin",
    "JPEG2000": "Jpeg2KImagePlugin",
    "PSD": "PsdImagePlugin",
    "ICO": "IcoImagePlugin",
    "ICNS": "IcnsImagePlugin",
    "CUR": "CurImagePlugin",
    "PCX": "PcxImagePlugin",
    "DCX": "DcxImagePlugin",
    "SGI": "SgiImagePlugin",
    "SUN": "SunImagePlugin",
    "DDS": "DdsImagePlugin",
    "QOI": "QoiImagePlugin",
    "BLP": "BlpImagePlugin",
    "XPM": "XpmImagePlugin",
    "XBM": "XbmImagePlugin",
    "TGA": "TgaImagePlugin",  # last, as nothing in particular marks it
}
"""Formats of Pillow and their modules. All are told by their first bytes, and no program is started for any of them."""


def open_image(source: str | PathLike[str] | IO[bytes]) -> Image.Image | Jpeg | DeepImage:
    """An image file, its header read and no pixels yet.

    Raises:
        Unreadable: it is no image that can be read; says what it is.
    """
    try:
        with no_errors_from_warnings():
            usual, head = jpeg.opened(source)
            return usual or _opened(source, head)
    except Exception as error:
        raise Unreadable(reason_of(error)) from error


def _opened(source: str | PathLike[str] | IO[bytes], head: bytes) -> Image.Image | DeepImage:
    for opened in (png.opened, pnm.opened, tiff.opened, heif.opened):
        image: Image.Image | DeepImage | None = opened(source, head)
        if image is not None:
            return image
    return opened_by_pillow(source, head)


def opened_by_pillow(source: str | PathLike[str] | IO[bytes], head: bytes) -> Image.Image:
    """The same by Pillow, of a file that begins with `head`.

    Raises:
        Unreadable: as `open_image`.
        Exception: nearly anything, where the file is damaged.
    """
    reason = ""
    for name, module in _PLUGINS.items():
        if name not in Image.OPEN:
            try:
                import_module(f"PIL.{module}")
            except ImportError:  # Pillow is older
                continue
        plugin, accepts = _plugin(name)
        accepted = accepts is None or accepts(head[:16])
        if isinstance(accepted, str):  # this machine's Pillow was built without it
            reason = f"{accepted}: pip install --upgrade pillow"
        if not accepted or isinstance(accepted, str):
            continue
        if not isinstance(source, str | PathLike):
            source.seek(0)
        try:
            return plugin(source, "")
        except (SyntaxError, IndexError, TypeError, StructError):  # not its kind after all, or damaged
            continue
    raise Unreadable(reason or jpeg.unusual(head) or what_is(head))


def _plugin(name: str) -> tuple[Callable[..., Image.Image], Callable[[bytes], bool | str] | None]:
    """The function of Pillow that opens a format, and the one that knows it by its first bytes.

    The first is typed for open files. It takes a path too, and closes that file with the image.
    """
    return Image.OPEN[name]
