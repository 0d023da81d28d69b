"""The images of a page: which, what is known of each, and their thumbnails."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from lookalike.core.made_here import mark
from lookalike.report.packing import data_uri
from lookalike.runs.reader import RunReader

_OWN = ("path", "split", "label", "cluster")  # columns of index.csv that have a place of their own
_COLUMNS, _LINES = 64, 64  # thumbnails of a sheet that is cut anew
_QUALITY = 85


class Thumbnails:
    """The thumbnails of several runs on the same images, by the number of the image."""

    def __init__(self, runs: Sequence[RunReader]) -> None:
        self.runs = runs
        self.place: dict[int, tuple[int, int]] = {}  # image -> run, position in its thumbs.json
        self.sheets: dict[tuple[int, int], Image.Image] = {}
        for number, run in reversed(list(enumerate(runs))):  # of the first run that has it
            for position, row in enumerate((run.thumbs or {}).get("rows", ())):
                self.place[row] = number, position

    def tile(self, row: int) -> Image.Image | None:
        """One thumbnail; None where there is none that can be read."""
        if row not in self.place:
            return None
        number, position = self.place[row]
        table = self.runs[number].thumbs
        assert table is not None  # it has a place in it
        side = table["side"]
        for i, sheet in enumerate(table["sheets"]):
            inside = position - sheet["first"]
            if 0 <= inside < sheet["count"]:
                picture = self._sheet(number, i, sheet["file"])
                if picture is None:
                    return None
                left, top = inside % table["columns"] * side, inside // table["columns"] * side
                return picture.crop((left, top, left + side, top + side))
        return None

    def _sheet(self, number: int, i: int, name: str) -> Image.Image | None:
        if (number, i) not in self.sheets:
            picture: Image.Image
            try:
                with Image.open(self.runs[number].path / "snapshots" / name) as file:
                    picture = file.copy()
            except (OSError, ValueError) as error:
                self.runs[number].missing.append(
                    f"the thumbnails {name} of {self.runs[number].name} cannot be read: {error}."
                )
                picture = Image.new("L", (1, 1))
            self.sheets[number, i] = picture
        picture = self.sheets[number, i]
        return picture if picture.size > (1, 1) else None


def chosen_rows(runs: Sequence[RunReader], most: int) -> np.ndarray:
    """The images of a page (int64, ascending): those with snapshots first, then those with thumbnails.

    Where there are more than `most`, evenly spaced ones are taken.
    """
    mapped = np.unique(np.concatenate([run.subset for run in runs]))
    with_thumbnails = [np.array(run.thumbs["rows"], np.int64) for run in runs if run.thumbs is not None]
    every = (
        np.unique(np.concatenate(with_thumbnails)) if with_thumbnails else np.arange(max(run.images for run in runs))
    )
    every = np.union1d(every, mapped)
    if len(every) <= most:
        return every
    mapped = evenly(mapped, most)
    rest = np.setdiff1d(every, mapped, assume_unique=True)
    return np.sort(np.concatenate([mapped, evenly(rest, most - len(mapped))]))


def evenly(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows, evenly spaced."""
    if len(rows) <= most:
        return rows
    return rows[(np.arange(most) * len(rows)) // most] if most > 0 else rows[:0]


def described(run: RunReader, rows: np.ndarray) -> dict[str, object]:
    """`images` of docs/page.md without the sheets."""
    index = [run.index[row] for row in rows] if run.index else []
    names = sorted({row["label"] for row in run.index if row.get("label")})
    code = {name: i for i, name in enumerate(names)}
    splits = [row.get("split", "") for row in index]
    others = [name for name in (index[0] if index else ()) if name not in _OWN]
    return {
        "paths": [row.get("path", "") for row in index] or [f"image {row}" for row in rows],
        "label": [code.get(row.get("label", ""), -1) for row in index] or [-1] * len(rows),
        "labels": names,
        "split": splits if any(splits) else None,
        "columns": {name: [row.get(name, "") for row in index] for name in others},
    }


def sprite_sheets(thumbnails: Thumbnails, rows: np.ndarray) -> list[dict[str, object]]:
    """Sheets of the thumbnails of these images, as data URIs; those of the run itself where they are the same."""
    table = next((run.thumbs for run in thumbnails.runs if run.thumbs is not None), None)
    if table is None or not len(rows):
        return []
    owner = next(run for run in thumbnails.runs if run.thumbs is not None)
    if table["rows"] == rows.tolist():
        try:
            return [
                {
                    "src": data_uri("image/jpeg", (owner.path / "snapshots" / sheet["file"]).read_bytes()),
                    "side": table["side"],
                    "columns": table["columns"],
                    "first": sheet["first"],
                    "count": sheet["count"],
                }
                for sheet in table["sheets"]
            ]
        except OSError:
            pass  # cut anew, which says what cannot be read
    return [_cut(thumbnails, rows, first, table["side"]) for first in range(0, len(rows), _COLUMNS * _LINES)]


def _cut(thumbnails: Thumbnails, rows: np.ndarray, first: int, side: int) -> dict[str, object]:
    part = rows[first : first + _COLUMNS * _LINES]
    tiles = [thumbnails.tile(int(row)) for row in part]
    mode = "L" if all(tile is None or tile.mode == "L" for tile in tiles) else "RGB"
    sheet = Image.new(mode, (min(len(part), _COLUMNS) * side, -(-len(part) // _COLUMNS) * side))
    for i, tile in enumerate(tiles):
        if tile is not None:
            fitting = tile if tile.size == (side, side) else tile.resize((side, side))
            sheet.paste(fitting, (i % _COLUMNS * side, i // _COLUMNS * side))
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=_QUALITY, **mark("JPEG"))
    uri = data_uri("image/jpeg", file.getvalue())
    return {"src": uri, "side": side, "columns": _COLUMNS, "first": first, "count": len(part)}
