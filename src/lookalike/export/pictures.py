"""Small pictures of a run's images: the thumbnails it kept, and for other images the data itself, where it still is."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image

from lookalike.api.records import images_of, options_of
from lookalike.core.errors import LookalikeError
from lookalike.core.progress import phase
from lookalike.core.words import agreeing, counted
from lookalike.engine.snapshots import SIDE, sprite_sheet
from lookalike.export.base import Source
from lookalike.report.images import Thumbnails

_BLOCK = 1024  # images read at once
_QUALITY = 90


class Pictures:
    """Pictures of SIDE x SIDE pixels. `messages` holds a sentence where some are missing."""

    def __init__(self, source: Source) -> None:
        self.rows = source.rows
        self.thumbnails = Thumbnails([source.reader])
        self.other: dict[int, int] = {}  # row -> place among those to be read
        self.messages: tuple[str, ...] = ()
        missing = [int(row) for row in self.rows if int(row) not in self.thumbnails.place]
        if missing:
            try:
                self.images = images_of(source.run, options_of(source.run)[1])
            except LookalikeError as error:
                reason = str(error).splitlines()[0]
                self.messages = (
                    f"{counted(len(missing), 'image')} {agreeing(len(missing), 'has', 'have')} no picture: the "
                    f"run kept none, and {reason}",
                )
            else:
                self.other = {row: place for place, row in enumerate(missing)}

    def __iter__(self) -> Iterator[Image.Image | None]:
        """The picture of each row in order; None where there is none."""
        with phase("collecting pictures", len(self.rows)) as p:
            for start in range(0, len(self.rows), _BLOCK):
                part = self.rows[start : start + _BLOCK]
                read = self._read([int(row) for row in part if int(row) in self.other])
                for row in p.over(part):
                    yield read[int(row)] if int(row) in read else self.thumbnails.tile(int(row))

    def _read(self, rows: list[int]) -> dict[int, Image.Image]:
        if not rows:
            return {}
        sheet = sprite_sheet(self.images.center_crops[torch.tensor(rows)])
        columns = sheet.width // SIDE
        pictures = {}
        for i, row in enumerate(rows):
            left, top = i % columns * SIDE, i // columns * SIDE
            pictures[row] = sheet.crop((left, top, left + SIDE, top + SIDE))
        return pictures


def sprite(pictures: Pictures, widest: int) -> tuple[Image.Image, int]:
    """All pictures in one, row after row, as many across as down, and the side of each in pixels.

    The whole is at most `widest` pixels a side; where there are many pictures they are made smaller.
    """
    across = max(1, int(np.ceil(np.sqrt(len(pictures.rows)))))
    side = max(1, min(SIDE, widest // across))
    sheet = Image.new("RGB", (across * side, across * side), "white")
    for i, picture in enumerate(pictures):
        if picture is not None:
            fitting = picture if picture.size == (side, side) else picture.resize((side, side))
            sheet.paste(fitting, (i % across * side, i // across * side))
    return sheet, side


def encoded(picture: Image.Image | None) -> bytes | None:
    """The bytes of a JPEG file."""
    if picture is None:
        return None
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_QUALITY, subsampling=0)
    return file.getvalue()
