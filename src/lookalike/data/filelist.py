"""Images named in a file: .txt with a path a line, or .csv or .tsv with a column of paths, labels and splits if any.

Hugging Face's `metadata.csv` is one of these where it is named; `metadata.py` reads it beside the images of a folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lookalike.core.errors import LookalikeError
from lookalike.core.passed_over import Tally
from lookalike.core.tables import PATHS, read_table, read_text, readable
from lookalike.core.words import agreeing, counted
from lookalike.data.finder import Finder
from lookalike.data.folder import named_entry
from lookalike.data.image_index import ImageIndex, ImageRef
from lookalike.data.kinds import suffix_of
from lookalike.data.layout import case_notes, is_image, labels_of, split_of, splits_of
from lookalike.data.own_output import is_own_file, lies_in_own_folder

SUFFIXES = (".txt", ".csv", ".tsv")
_LABELLED = re.compile(r"(?P<path>.*\.[A-Za-z][A-Za-z0-9]{1,4})[\t ,;]+(?P<label>[^\t,;]*[^\s,;])\s*")


@dataclass(frozen=True)
class Row:
    """What a line of a list says of an image."""

    line: int
    path: str
    label: str | None
    split: str | None


def image_index(place: Path) -> ImageIndex:
    """The images that a list names, relative to its folder or by absolute paths.

    Raises:
        LookalikeError: it cannot be read, has no column of paths, names one image with two labels or no image that is
            there.
    """
    rows, notes = read_rows(place)
    index = image_index_of_rows(rows, place.parent, place.parent.resolve().name, str(place))
    return replace(index, notes=(*notes, *index.notes))


def image_index_of_rows(rows: Sequence[Row], base: Path, name: str, where: str) -> ImageIndex:
    """Each image once, with what its row says; names, splits and classes as a folder's where the list has none."""
    images: dict[str, tuple[ImageRef, Row]] = {}
    refused: dict[str, str] = {}
    others = Tally()
    own_by_folder: dict[Path, bool] = {}
    twice = 0
    for row in rows:
        label = _name(base, row.path)
        if label in images:
            twice += 1
            before = images[label][1]
            if (before.label, before.split) != (row.label, row.split):
                raise LookalikeError(
                    f"{where} names {row.path!r} twice: with {_label_words(before)} (line {before.line}) and "
                    f"{_label_words(row)} (line {row.line}); keep one of the lines"
                )
            continue
        if _is_own(base / row.path, own_by_folder):
            others.add("own", suffix_of(row.path), label)
            continue
        entry: ImageRef | str = "an address: fetch it first" if "://" in row.path else _entry(label, base / row.path)
        if isinstance(entry, ImageRef):
            images[label] = (entry, row)
        else:
            refused[label] = entry
    if not images:
        examples = "; ".join(f"{name!r}: {reason}" for name, reason in list(refused.items())[:3])
        raise LookalikeError(
            f"{where} names no image that is there" + (f": {examples}" if examples else " (it is empty)")
        )
    names = sorted(images)
    ordered = [images[name][1] for name in names]
    split = _splits(ordered, where) or splits_of(names)
    labels = tuple(row.label for row in ordered)
    return ImageIndex(
        entries=tuple(images[name][0] for name in names),
        name=name or "images",
        labels=labels if any(label is not None for label in labels) else labels_of(names),
        split=split,
        refused=tuple(sorted(refused.items())),
        notes=(
            *(
                [
                    f"{counted(twice, 'line')} of {where} "
                    f"{agreeing(twice, 'repeats another and was', 'repeat others and were')} passed over"
                ]
                if twice
                else []
            ),
            *case_notes(names),
        ),
        passed_over=others.result(),
    )


def _is_own(path: Path, own_by_folder: dict[Path, bool]) -> bool:
    return lies_in_own_folder(path.parent, own_by_folder) or is_own_file(os.fspath(path), path.name)


def _entry(name: str, path: Path) -> ImageRef | str:
    return named_entry(name, os.fspath(path))


def _name(base: Path, path: str) -> str:
    """Relative to the list's folder where it lies below, else absolute; one name for one place."""
    where = os.path.normpath((base / path).absolute())
    below = os.path.relpath(where, os.path.normpath(base.absolute()))
    return Path(where if below.startswith("..") else below).as_posix()


def _splits(rows: Sequence[Row], where: str) -> tuple[str, ...] | None:
    if all(row.split is None for row in rows):
        return None
    missing = next((row for row in rows if row.split is None), None)
    if missing is not None:
        raise LookalikeError(f"{where}, line {missing.line}: no split for {missing.path!r}, though others have one")
    return tuple(row.split or "" for row in rows)


def _label_words(row: Row) -> str:
    return f"label {row.label!r}" + (f" in {row.split}" if row.split else "")


def rows_of(place: Path) -> list[Row]:
    """The lines of a list, with paths relative to its folder; see `read_rows`."""
    return read_rows(place)[0]


def read_rows(place: Path) -> tuple[list[Row], list[str]]:
    """The lines of a list, with paths as they are found from its folder, and what is to be said of it.

    A .txt names a path a line, and a label after a tab or a blank where all lines have one; or it is a table as the
    others are. A path that is not there as it is written may have backslashes, be of another machine (the end of it
    counts), relative to the working folder, or without its suffix.

    Raises:
        LookalikeError: it cannot be read, or has no column of paths.
    """
    lines, notes = _plain_lines(place) if place.suffix.lower() == ".txt" else (None, [])
    rows, notes = _table_rows(place) if lines is None else (lines, notes)
    finder = Finder(place.parent)
    rows = [replace(row, path=finder.find(row.path)) for row in rows]
    return rows, notes + finder.notes(str(place))


def _plain_lines(place: Path) -> tuple[list[Row] | None, list[str]]:
    """The lines of a .txt, each a path, or a path and a label; None where it is a table."""
    text, notes = read_text(place)
    numbered = enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1)
    lines = [(number, line) for number, line in numbered if line.strip() and not line.startswith("#")]
    if not lines:
        return [], notes
    table = read_table(place)
    quoted = any(line.lstrip().startswith('"') for _, line in lines) and None not in table.path_and_label()
    if quoted or "path" in table.head or (len(table.head) > 1 and any(name in table.head for name in PATHS)):
        return None, notes
    parted = [_LABELLED.fullmatch(line) for _, line in lines]
    if all(match is not None and not is_image(match["label"]) for match in parted):
        labelled = [(number, match) for (number, _), match in zip(lines, parted, strict=True) if match is not None]
        return [Row(number, match["path"], match["label"].strip(), None) for number, match in labelled], notes
    return [Row(number, _unquoted(line), None, None) for number, line in lines], notes


def _unquoted(line: str) -> str:
    inner = line.strip()
    return inner[1:-1] if len(inner) > 2 and inner[0] == inner[-1] and inner[0] in "\"'" else line


def _table_rows(place: Path) -> tuple[list[Row], list[str]]:
    table = read_table(place, strict=True)
    path, label = table.path_and_label()
    if path is None:
        columns = ", ".join(map(repr, table.head[:8])) or "none"
        raise LookalikeError(
            f"{place} has the columns {columns}: the one of paths must be called "
            f"{', '.join(PATHS[:5])} or the like, in the first line"
        )
    split = table.column(("split",)) if table.head else None
    rows = []
    for number, cells in table.rows:
        values = ["" if i is None or i >= len(cells) else cells[i] for i in (path, label, split)]
        if not values[0].strip():
            continue
        part = split_of(values[2]) if values[2].strip() else None
        if values[2].strip() and part is None:
            word = values[2].strip().lower()
            raise LookalikeError(f"{place}, line {number}: split may say train, test or val, got {word!r}")
        rows.append(Row(number, values[0], readable(values[1]).strip() or None, part))
    return rows, list(table.notes)
