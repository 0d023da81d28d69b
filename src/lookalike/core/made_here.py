"""The mark that pictures made by lookalike carry in their first bytes, so that none is ever taken for input.

`data/own_output.py` looks for it.
"""

from __future__ import annotations

from typing import TypedDict

from PIL import Image, PngImagePlugin

MARK = "Made by lookalike"
KEY = "Software"
"""Of the text in a PNG file."""
EXIF_SOFTWARE = 0x0131
"""The tag of EXIF and TIFF that says what wrote a file."""


class Mark(TypedDict, total=False):
    """Arguments of `Image.save`, of which each kind of file takes one."""

    pnginfo: PngImagePlugin.PngInfo
    comment: str
    exif: Image.Exif


def mark(kind: str) -> Mark:
    """What `Image.save` is to be told beside the kind of the file ("PNG", "JPEG"...), so that it is marked."""
    if kind == "PNG":
        about = PngImagePlugin.PngInfo()
        about.add_text(KEY, MARK)
        return {"pnginfo": about}
    if kind in ("JPEG", "GIF"):
        return {"comment": MARK}
    exif = Image.Exif()
    exif[EXIF_SOFTWARE] = MARK
    return {"exif": exif}
