"""What a search found, as a small page: one file without a script, opened by a double click. Needs no PyTorch.

Names of files and classes are untrusted text; the template escapes them, and the page's policy allows no script and
no request at all.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image, ImageOps

from lookalike.core.files import write_text
from lookalike.core.places import find_place, folders_of, is_there
from lookalike.report.images import Thumbnails
from lookalike.report.packing import data_uri
from lookalike.runs.reader import RunReader

_TEMPLATE = Path(__file__).parent / "template"
_SIDE = 96  # pixels of a picture on the page
_QUALITY = 85


@dataclass(frozen=True)
class SearchHit:
    """An image on the page: one that was asked about, or one that was found for it."""

    name: str
    picture: Image.Image | None
    """None where there is none to be had: the name stands alone."""
    row: int = -1
    """Of the run; -1 for the image that was asked about."""
    similarity: float = 1.0
    label: str = ""


class Pictures:
    """Pictures of a run's images: thumbnails that the run kept, else the files, where they still are."""

    def __init__(self, run: Path) -> None:
        self.run = RunReader(run)
        self.thumbnails = Thumbnails([self.run])
        self.folder = _folder(self.run)

    def picture(self, row: int, path: str) -> Image.Image | None:
        """The picture of the image in that row of index.csv."""
        return self.thumbnails.tile(row) or picture_of(self.folder / path)


def _folder(run: RunReader) -> Path:
    """The folder that the names of a run's images are relative to."""
    places = run.record.data
    if places and is_there(places[0]):
        return Path(places[0])
    data = run.config.get("data")
    place = str((data[0] if data else ".") if isinstance(data, list) else data or ".")
    return Path(find_place(place, folders_of(run.record.folder, run.config, run.path)) or place)


def picture_of(path: Path) -> Image.Image | None:
    """A small upright picture of an image file; None where it cannot be read."""
    try:
        with Image.open(path) as file:
            file.draft(None, (_SIDE, _SIDE))
            upright = ImageOps.exif_transpose(file).convert("RGB")
            upright.thumbnail((_SIDE, _SIDE))
            return upright
    except Exception:  # Pillow raises nearly anything on a broken file, and a name can be no path at all
        return None


def write_search(
    path: Path, title: str, asked: Sequence[tuple[SearchHit, Sequence[SearchHit]]], notes: Sequence[str]
) -> None:
    """Write the page: each image that was asked about with the images found, the nearest first.

    Args:
        path: the file.
        title: of the page.
        asked: images with what was found for them.
        notes: what was done to images, in sentences.

    Raises:
        MachineError: the file cannot be written.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("search.html").render(
        title=_printable(title),
        styles=Markup((_TEMPLATE / "search.css").read_text(encoding="utf-8")),
        notes=[_printable(note) for note in notes],
        asked=[(_printed(query), [_printed(hit) for hit in hits]) for query, hits in asked],
    )
    write_text(path, page)


def _printed(hit: SearchHit) -> dict[str, str]:
    return {
        "name": _printable(hit.name),
        "label": _printable(hit.label),
        "similarity": "" if hit.row < 0 else f"{hit.similarity:.3f}",
        "picture": "" if hit.picture is None else _uri(hit.picture),
    }


def _uri(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.convert("L" if picture.mode == "L" else "RGB").save(file, "JPEG", quality=_QUALITY)
    return data_uri("image/jpeg", file.getvalue())


def _printable(text: str) -> str:
    """Text as it can be written: bytes of names that are no UTF-8 show as a replacement character."""
    return text.encode(errors="surrogateescape").decode(errors="replace")
