"""Files of labels: CSV of paths and class names, also in the forms that spreadsheets write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lookalike.core.errors import LookalikeError
from lookalike.core.matching import Matcher
from lookalike.core.names import composed
from lookalike.core.tables import read_table, readable
from lookalike.core.words import counted

_SHOWN = 5  # examples in a message


@dataclass(frozen=True)
class Given:
    """Labels by path, in the order of the files, and what was noticed."""

    label_of: dict[str, str]
    notes: tuple[str, ...] = ()
    folder_of: dict[str, Path] = field(default_factory=dict, compare=False)
    """The folder of the file that names a path."""


def read_labels(path: Path) -> dict[str, str]:
    """Paths of images and their classes, from a CSV file with the columns `path` and `label` (`core/tables.py`).

    Raises:
        LookalikeError: it cannot be read, has other columns, or gives an image two labels.
    """
    return read_given([str(path)]).label_of


def read_given(files: Sequence[str]) -> Given:
    """The labels of several files together.

    A file has the columns `path` and `label` (`core/tables.py` says what else they may be called). Other columns, and
    lines without a label, are ignored. `NAME=FILE` gives every path of FILE the label NAME, whatever its own column
    says: the page saves such lists.

    Raises:
        LookalikeError: a file cannot be read or has other columns, or a path has two labels.
    """
    given: dict[str, tuple[str, str]] = {}  # path -> label, and where it was given
    conflicts: list[str] = []
    notes: list[str] = []
    folders: dict[str, Path] = {}
    again = 0
    for word in files:
        for place, name, label, folder in _lines(word, notes):
            folders.setdefault(name, folder)
            before = given.setdefault(name, (label, place))
            if before[0] != label:
                conflicts.append(f"{place} calls {name!r} both {before[0]!r} and {label!r}; the first is {before[1]}")
            elif before[1] != place:
                again += 1
    if conflicts:
        raise LookalikeError(
            f"{counted(len(conflicts), 'label')} in conflict; correct or empty one of each two:\n" + listed(conflicts)
        )
    notes += [f"{counted(again, 'line')} said again what was said before"] if again else []
    return Given({name: label for name, (label, _) in given.items()}, tuple(notes), folders)


def _lines(word: str, notes: list[str]) -> Iterator[tuple[str, str, str, Path]]:
    """(place, path, label, folder) of each labelled line of a file, or of every line of NAME=FILE."""
    label, equals, file = word.partition("=")
    named = bool(equals) and not Path(word).exists()
    if named and not label.strip():
        raise LookalikeError(f"{word!r} has no name before the '='; write NAME=FILE")
    path = Path(file if named else word)
    table = read_table(path)
    notes += table.notes
    paths, labels = table.path_and_label()
    if not table.rows or paths is None or (labels is None and not named):
        wanted = "the column path" if named else "the columns path and label"
        hint = f"; a list of images of one class is given as NAME={path}" if paths is not None else ""
        columns = table.head or (f"{counted(len(table.rows[0][1]), 'column')} without names",) if table.rows else ()
        raise LookalikeError(
            f"{path} must have {wanted}, and lines below them; it has {', '.join(columns) or 'nothing'}{hint}"
        )
    for line, cells in table.rows:
        name = cells[paths].strip().removeprefix("./") if paths < len(cells) else ""
        called = label if named else cells[labels] if labels is not None and labels < len(cells) else ""
        if name and called.strip():
            yield f"{path}:{line}", name, composed(readable(called).strip()), path.parent


def rows_of(
    given: Given, paths: Sequence[str], where: str, roots: Sequence[Path] = ()
) -> tuple[dict[int, str], list[str]]:
    """Labels by row, and notes. Paths that are not there are counted, with examples.

    Args:
        given: labels by path, written in any of the ways that `core/matching.py` knows.
        paths: of all images, as index.csv has them.
        where: what has these images, in words.
        roots: folders that these paths are relative to, where they are known.

    Raises:
        LookalikeError: there are no labels, none of them is of an image that is there, or two ways to write one image
            give it two labels.
    """
    notes = list(given.notes)
    if not given.label_of:
        raise LookalikeError(
            "no line has a label yet: write a name into the column label, for two images of two classes at least"
        )
    matcher = Matcher(paths, roots)
    row_of = {path: matcher.row(path, given.folder_of.get(path)) for path in given.label_of}
    unknown = [path for path, row in row_of.items() if row is None]
    if len(unknown) == len(given.label_of):
        raise LookalikeError(
            f"none of the {counted(len(unknown), 'labelled path')} is an image of {where}:\n{listed(unknown)}\n"
            f"Paths are those of its index.csv, such as {paths[0]!r}"
        )
    by_row: dict[int, str] = {}
    conflicts = []
    for path, row in row_of.items():
        if row is None:
            continue
        before = by_row.setdefault(row, path)
        if given.label_of[before] != given.label_of[path]:
            conflicts.append(
                f"{before!r} is called {given.label_of[before]!r} and {path!r} {given.label_of[path]!r}: both are the "
                f"image {paths[row]!r}"
            )
    if conflicts:
        raise LookalikeError(
            f"{counted(len(conflicts), 'label')} in conflict; correct or empty one of each two:\n" + listed(conflicts)
        )
    otherwise = [path for path, row in row_of.items() if row is not None and path != paths[row]]
    if otherwise:
        row = row_of[otherwise[0]]
        assert row is not None
        notes.append(
            f"{counted(len(otherwise), 'path')} written otherwise than in {where}, such as {otherwise[0]!r}, which is "
            f"taken for {paths[row]!r}"
        )
    if unknown:
        examples = ", ".join(map(repr, unknown[:_SHOWN])) + (", ..." if len(unknown) > _SHOWN else "")
        notes.append(f"{counted(len(unknown), 'labelled path')} passed over, not an image of {where}: {examples}")
    return {row: given.label_of[path] for row, path in by_row.items()}, notes


def listed(items: Sequence[str]) -> str:
    """The first few, a line each, and how many more there are."""
    lines = [f"  - {item}" for item in items[:_SHOWN]]
    return "\n".join(lines + ([f"  - and {len(items) - _SHOWN:,} more"] if len(items) > _SHOWN else []))
