"""Labels that a person gives: CSV files of paths and names, read as spreadsheets write them too."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lookalike.core.errors import LookalikeError
from lookalike.core.words import counted

_SHOWN = 5  # examples in a message


@dataclass(frozen=True)
class Given:
    """Labels by path, in the order of the files, and what was noticed."""

    label_of: dict[str, str]
    notes: tuple[str, ...] = ()


def read_labels(path: Path) -> dict[str, str]:
    """Names of images and of their classes, from a CSV file with the columns `path` and `label`.

    Raises:
        LookalikeError: it cannot be read, has other columns, or gives an image two labels.
    """
    return read_given([str(path)]).label_of


def read_given(files: Sequence[str]) -> Given:
    """The labels of several files, taken together.

    A file has the columns `path` and `label` (others are passed over; lines without a label too). `NAME=FILE` calls
    every path of FILE NAME, whatever its own column says: a list that the page has saved. Separated by commas, by
    semicolons or by tabs, as spreadsheets write them.

    Raises:
        LookalikeError: a file cannot be read or has other columns, or paths are given two labels.
    """
    found: dict[str, tuple[str, str]] = {}  # path -> label, and where it was given
    conflicts: list[str] = []
    again = 0
    for word in files:
        for place, name, label in _lines(word):
            before = found.setdefault(name, (label, place))
            if before[0] != label:
                conflicts.append(f"{place} calls {name!r} both {before[0]!r} and {label!r}; the first is {before[1]}")
            elif before[1] != place:
                again += 1
    if conflicts:
        raise LookalikeError(
            f"{counted(len(conflicts), 'label')} in conflict; correct or empty one of each two:\n" + listed(conflicts)
        )
    notes = [f"{counted(again, 'line')} said again what was said before"] if again else []
    return Given({name: label for name, (label, _) in found.items()}, tuple(notes))


def _lines(word: str) -> Iterator[tuple[str, str, str]]:
    """(place, path, label) of each labelled line of a file, or of every line of NAME=FILE."""
    label, equals, file = word.partition("=")
    named = bool(equals) and not Path(word).exists()
    if named and not label.strip():
        raise LookalikeError(f"{word!r} has no name before the '='; write NAME=FILE")
    path = Path(file if named else word)
    try:
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_separator(text))
        rows = [(reader.line_num, row) for row in reader]
    except (OSError, csv.Error) as error:
        raise LookalikeError(f"cannot read {path}: {error}") from error
    needed = {"path"} if named else {"path", "label"}
    columns = list(rows[0][1]) if rows else []
    if not rows or not needed <= set(columns):
        wanted = "the column path" if named else "the columns path and label"
        hint = f"; a list of images of one class is given as NAME={path}" if "path" in columns else ""
        raise LookalikeError(
            f"{path} must have {wanted}, and lines below them; it has {', '.join(map(str, columns)) or 'nothing'}{hint}"
        )
    for line, row in rows:
        name = (row["path"] or "").removeprefix("./")
        called = label.strip() if named else (row["label"] or "").strip()
        if name and called:
            yield f"{path}:{line}", name, called


def _separator(text: str) -> str:
    """What separates the columns of the first line."""
    head = text.split("\n", 1)[0]
    return max(",;\t", key=head.count)


def rows_of(given: Given, paths: Sequence[str], where: str) -> tuple[dict[int, str], list[str]]:
    """Labels by row, and notes. Paths that are not there are counted, with examples.

    Args:
        given: labels by path.
        paths: of all images, as index.csv has them.
        where: what has these images, in words.

    Raises:
        LookalikeError: there are no labels, or none of them is of an image that is there.
    """
    row_of = {path: row for row, path in enumerate(paths)}
    unknown = [path for path in given.label_of if path not in row_of]
    notes = list(given.notes)
    if not given.label_of:
        raise LookalikeError(
            "no line has a label yet: write a name into the column label, for two images of two classes at least"
        )
    if len(unknown) == len(given.label_of):
        raise LookalikeError(
            f"none of the {counted(len(unknown), 'labelled path')} is an image of {where}:\n{listed(unknown)}\n"
            f"Paths are those of its index.csv, such as {paths[0]!r}"
        )
    if unknown:
        shown = ", ".join(map(repr, unknown[:_SHOWN])) + (", ..." if len(unknown) > _SHOWN else "")
        notes.append(f"{counted(len(unknown), 'labelled path')} passed over, not an image of {where}: {shown}")
    return {row_of[path]: label for path, label in given.label_of.items() if path in row_of}, notes


def listed(items: Sequence[str]) -> str:
    """The first few, a line each, and how many more there are."""
    lines = [f"  - {item}" for item in items[:_SHOWN]]
    return "\n".join(lines + ([f"  - and {len(items) - _SHOWN:,} more"] if len(items) > _SHOWN else []))
