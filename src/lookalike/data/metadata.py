"""A folder of images with a table beside them, which names some or all: Hugging Face's `metadata.csv`, or `labels.csv`.

Every image of the folder is listed, as without the file. What it says of an image wins over the folders around it;
images that it does not name are listed without a label, and counted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lookalike.core.errors import LookalikeError
from lookalike.core.names import spelt_in
from lookalike.core.words import agreeing, counted
from lookalike.data import filelist
from lookalike.data import folder as files
from lookalike.data.filelist import Row
from lookalike.data.image_index import ImageIndex, ImageRef
from lookalike.data.layout import folders_of, split_of

_TABLES = tuple(f"{name}.{kind}" for name in ("metadata", "labels", "annotations") for kind in ("csv", "tsv", "jsonl"))
"""The surest first; whatever their capitals."""
_PATH = ("file_name", "path", "file", "image", "filename")
_LABEL = ("label", "class")


def image_index(folder: Path) -> ImageIndex:
    """The images below a folder, with the labels and splits of metadata at its top or in the folders there.

    A table without a column of paths, or that names none of the images, is passed over with a note.

    Raises:
        LookalikeError: there are no images, or one is named with two labels.
    """
    index = files.image_index(folder)
    rows: list[Row] = []
    notes: list[str] = []
    used: list[str] = []
    for table, part in _tables(folder, index):
        table_rows = _rows(table, part, notes)
        if not _is_metadata(table) and _in_conflict(table_rows):
            notes.append(f"{table.relative_to(folder)} has several labels for one image, and is not used")
            continue
        if any((folder / row.path).exists() for row in table_rows):
            rows += table_rows
            used.append(str(table))
        elif table_rows:
            notes.append(f"{table.relative_to(folder)} names none of the images, and is not used")
    if not rows:
        return replace(index, notes=(*index.notes, *notes))
    named = filelist.image_index_of_rows(_with_splits(rows), folder, index.name, " and ".join(used))
    return _merged(index, named, any(row.label is not None for row in rows), notes, used)


def _tables(folder: Path, index: ImageIndex) -> Iterator[tuple[Path, str]]:
    """The tables at the top of a folder and in its subfolders that hold images."""
    parts = sorted({entry.name.split("/", 1)[0] for entry in index.entries if "/" in entry.name})
    for part in ("", *parts):
        table = _table(folder / part)
        if table is not None:
            yield table, part


def _table(folder: Path) -> Path | None:
    """The first of the tables that is in a folder, whatever the capitals of its name."""
    try:
        tables = {name.lower(): name for name in os.listdir(folder) if name.lower() in _TABLES}
    except OSError:  # gone, or closed to this user, as the walk has said
        return None
    return next(
        (folder / tables[name] for name in _TABLES if name in tables and (folder / tables[name]).is_file()), None
    )


def _is_metadata(table: Path) -> bool:
    """Whether a table says by its name that it is of the images; others may be of boxes or words in them."""
    return table.stem.lower() == "metadata"


def _in_conflict(rows: list[Row]) -> bool:
    """Whether an image has two labels or splits."""
    first_by_path: dict[str, tuple[str | None, str | None]] = {}
    return any(first_by_path.setdefault(row.path, (row.label, row.split)) != (row.label, row.split) for row in rows)


def _rows(table: Path, part: str, notes: list[str]) -> list[Row]:
    """The rows of a table, relative to the folder; none where it is a table of something else, which is noted."""
    try:
        rows = list(_of_json(table) if table.suffix.lower() == ".jsonl" else filelist.rows_of(table))
    except LookalikeError as error:
        notes.append(f"not used: {error}")
        return []
    split = split_of(part)
    return [
        replace(
            row,
            path=f"{part}/{row.path}" if part and not Path(row.path).is_absolute() else row.path,
            split=row.split or split,
        )
        for row in rows
    ]


def _of_json(table: Path) -> Iterator[Row]:
    """
    Raises:
        LookalikeError: a line is no object, or has no path.
    """
    try:
        lines = table.read_bytes().decode("utf-8-sig", errors="surrogateescape").split("\n")
    except OSError as error:
        raise LookalikeError(f"cannot read {table}: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            raise LookalikeError(f"{table}, line {number}: {error}") from error
        path = _value(values, _PATH)
        if path is None:
            raise LookalikeError(f"{table}, line {number}: no file_name")
        yield Row(
            number, spelt_in(table.parent, path), _value(values, _LABEL), split_of(_value(values, ("split",)) or "")
        )


def _value(values: object, keys: tuple[str, ...]) -> str | None:
    """The first of these keys that has a text or a number."""
    fields = values if isinstance(values, dict) else {}
    return next(
        (str(fields[key]) for key in keys if isinstance(fields.get(key), str | int) and fields[key] != ""), None
    )


def _with_splits(rows: list[Row]) -> list[Row]:
    """The rows with their splits where all have one, and not all the same; else without."""
    splits = {row.split for row in rows}
    return rows if None not in splits and len(splits) > 1 else [replace(row, split=None) for row in rows]


def _merged(index: ImageIndex, named: ImageIndex, labelled: bool, notes: list[str], used: list[str]) -> ImageIndex:
    """All images of a folder, with labels and splits for those that a table names."""
    place = {entry.name: i for i, entry in enumerate(named.entries)}
    entries: dict[str, ImageRef] = {entry.name: entry for entry in (*index.entries, *named.entries)}
    names = sorted(entries)
    folders = folders_of(names)
    labels = folders.labels
    if labelled and named.labels is not None:
        labels = tuple(named.labels[place[name]] if name in place else None for name in names)
    split = folders.split
    if named.split is not None:
        by_folder = dict(zip(names, folders.split or (), strict=folders.split is not None))
        split = tuple(named.split[place[name]] if name in place else by_folder.get(name, "train") for name in names)
    unnamed = [name for name in names if name not in place]
    if unnamed:
        many = f"{counted(len(unnamed), 'image')} {agreeing(len(unnamed), 'is', 'are')}"
        without = ", without a label" if labelled else ""
        notes.append(f"{many} not named in {' and '.join(used)} ({unnamed[0]!r}), and read all the same{without}")
    refused = {name: why for name, why in (*index.refused, *named.refused) if name not in entries}
    return replace(
        index,
        entries=tuple(entries[name] for name in names),
        labels=labels,
        split=split,
        refused=tuple(sorted(refused.items())),
        notes=(*dict.fromkeys((*index.notes, *named.notes)), *notes),
    )
