"""Images named in a file: .txt with a path a line, or .csv or .tsv with a column of paths, labels and splits if any.

Hugging Face's `metadata.csv` is one of these where it is named; `metadata.py` reads it beside the images of a folder.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lookalike.core.errors import LookalikeError
from lookalike.core.passed_over import Tally
from lookalike.core.words import agreeing, counted
from lookalike.data.folder import named_entry
from lookalike.data.kinds import suffix_of
from lookalike.data.layout import SPLITS, case_notes, labels_of, splits_of
from lookalike.data.listing import Entry, Listing
from lookalike.data.own_output import is_own_file, lies_in_own_folder

SUFFIXES = (".txt", ".csv", ".tsv")
_PATH = ("file_name", "path", "file", "image", "filename")
_LABEL = ("label", "class")


@dataclass(frozen=True)
class Row:
    """What a line of a list says of an image."""

    line: int
    path: str
    label: str | None
    split: str | None


def listing(place: Path) -> Listing:
    """The images that a list names, relative to its folder or by absolute paths.

    Raises:
        LookalikeError: it cannot be read, has no column of paths, names one image with two labels or no image that is
            there.
    """
    return listing_of_rows(list(rows_of(place)), place.parent, place.parent.resolve().name, str(place))


def listing_of_rows(rows: Sequence[Row], base: Path, name: str, where: str) -> Listing:
    """Each image once, with what its row says; names, splits and classes as a folder's where the list has none."""
    found: dict[str, tuple[Entry, Row]] = {}
    refused: dict[str, str] = {}
    others = Tally()
    known: dict[Path, bool] = {}
    twice = 0
    for row in rows:
        label = _name(base, row.path)
        if label in found:
            twice += 1
            before = found[label][1]
            if (before.label, before.split) != (row.label, row.split):
                raise LookalikeError(
                    f"{where} names {row.path!r} twice: with {_said(before)} (line {before.line}) and {_said(row)} "
                    f"(line {row.line}); keep one of the lines"
                )
            continue
        if _is_own(base / row.path, known):
            others.add("own", suffix_of(row.path), label)
            continue
        entry: Entry | str = "an address: fetch it first" if "://" in row.path else _entry(label, base / row.path)
        if isinstance(entry, Entry):
            found[label] = (entry, row)
        else:
            refused[label] = entry
    if not found:
        examples = "; ".join(f"{name!r}: {reason}" for name, reason in list(refused.items())[:3])
        raise LookalikeError(
            f"{where} names no image that is there" + (f": {examples}" if examples else " (it is empty)")
        )
    names = sorted(found)
    ordered = [found[name][1] for name in names]
    split = _splits(ordered, where) or splits_of(names)
    labels = tuple(row.label for row in ordered)
    return Listing(
        entries=tuple(found[name][0] for name in names),
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


def _is_own(path: Path, known: dict[Path, bool]) -> bool:
    return lies_in_own_folder(path.parent, known) or is_own_file(os.fspath(path), path.name)


def _entry(name: str, path: Path) -> Entry | str:
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


def _said(row: Row) -> str:
    return f"label {row.label!r}" + (f" in {row.split}" if row.split else "")


def rows_of(place: Path) -> Iterator[Row]:
    """The lines of a list.

    Raises:
        LookalikeError: it cannot be read, or has no column of paths.
    """
    if place.suffix.lower() == ".txt":
        for number, line in enumerate(_text(place).split("\n"), 1):
            path = line.rstrip("\r")
            if path.strip() and not path.startswith("#"):
                yield Row(number, path, None, None)
        return
    head = _head(place)
    column = next((name for name in _PATH if name in head), None)
    if column is None:
        raise LookalikeError(
            f"{place} has the columns {', '.join(map(repr, head[:8])) or 'none'}: the one of paths must be called "
            f"{', '.join(_PATH[:-1])} or {_PATH[-1]}, in the first line"
        )
    label = next((name for name in _LABEL if name in head), None)
    for number, cells in _table(place):
        row = dict(zip(head, cells, strict=False))
        path = row.get(column, "")
        if not path:
            continue
        split = row.get("split", "").strip().lower()
        if split and split not in SPLITS:
            raise LookalikeError(f"{place}, line {number}: split may say train, test or val, got {split!r}")
        yield Row(number, path, (row.get(label, "") or None) if label else None, SPLITS.get(split))


def _head(place: Path) -> list[str]:
    """The names of the columns, in small letters."""
    first = next(_table(place, from_first=True), (0, []))
    return [cell.strip().lower() for cell in first[1]]


def _table(place: Path, from_first: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and cells of the rows below the first, or of all."""
    text = _text(place)
    first = text.split("\n", 1)[0]
    comma = "\t" if place.suffix.lower() == ".tsv" else ";" if ";" in first and "," not in first else ","
    lines: Iterable[str] = text.splitlines(keepends=True) if "\n" not in text else (s + "\n" for s in text.split("\n"))
    reader = csv.reader(lines, delimiter=comma, strict=True)
    try:
        for index, cells in enumerate(reader):
            if cells and (from_first or index > 0):
                yield reader.line_num, cells
    except csv.Error as error:
        raise LookalikeError(f"{place}, line {reader.line_num}: {error}") from error


def _text(place: Path) -> str:
    try:
        text = place.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise LookalikeError(f"cannot read {place}: {error.strerror}") from error
    if "\0" in text:
        raise LookalikeError(f"{place} is no text")
    return text
