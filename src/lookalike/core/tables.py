"""Tables of text as people, spreadsheets and programs write them: one reader for lists of images and of labels.

Read are UTF-8 and UTF-16 with or without a mark at the beginning, and what old spreadsheets write (cp1252), which is
noted; commas, semicolons, tabs and bars; every kind of line end; a first line `sep=;`; blank lines and comments before
the first line; names of columns in any case, with blanks; a table without such names, where its columns are clear.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lookalike.core.errors import LookalikeError
from lookalike.core.words import counted

PATHS = (
    "file_name",
    "path",
    "file",
    "image",
    "filename",
    "image_path",
    "img",
    "img_path",
    "file_path",
    "filepath",
    "image_name",
    "image_file",
    "image_id",
    "img_id",
    "id",
)
"""What a column of paths may be called, the surest first."""
LABELS = ("label", "class", "category", "target", "labels", "class_name", "label_name", "breed", "species")
"""What a column of labels may be called."""
_SEP = re.compile(r'^\s*"?sep=(.)"?\s*$', re.IGNORECASE)
_FILE = re.compile(r".*\.[A-Za-z][A-Za-z0-9]{1,4}")
_MARKS = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_SAMPLE = 400  # bytes that tell of UTF-16 without a mark


@dataclass(frozen=True)
class Table:
    """The lines of a table, and what its columns are called."""

    place: Path
    head: tuple[str, ...]
    """Names of the columns in small letters with _ for blanks; empty where the first line is of data."""
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    """Line number and cells of each line below."""
    notes: tuple[str, ...] = ()

    def column(self, names: Sequence[str]) -> int | None:
        """The place of the first of these names that is a column.

        Raises:
            LookalikeError: two columns have that name.
        """
        name = next((name for name in names if name in self.head), None)
        if name is None:
            return None
        if self.head.count(name) > 1:
            raise LookalikeError(
                f"{self.place} has {counted(self.head.count(name), 'column')} called {name!r}: keep one of them"
            )
        return self.head.index(name)

    def path_and_label(self) -> tuple[int | None, int | None]:
        """The columns of paths and of labels; in a table without names that of file names, and the other of two."""
        if self.head:
            return self.column(PATHS), self.column(LABELS)
        cells = self.rows[0][1] if self.rows else ()
        path = next((i for i, cell in enumerate(cells) if looks_like_file(cell)), None)
        return path, 1 - path if path is not None and len(cells) == 2 else None


def read_table(place: Path, strict: bool = False) -> Table:
    """A table of text.

    Args:
        place: the file.
        strict: whether quotes that are not closed are an error.

    Raises:
        LookalikeError: it cannot be read, or is no text.
    """
    text, notes = read_text(place)
    rows = _rows(place, text, strict)
    head = [name_of(cell) for cell in rows[0][1]] if rows else []
    if not any(name in PATHS for name in head) and any(map(looks_like_file, rows[0][1] if rows else ())):
        head = []
    elif rows:
        rows = rows[1:]
    return Table(place, tuple(head), tuple(rows), tuple(notes))


def read_text(place: Path) -> tuple[str, list[str]]:
    """The text of a file, and what is to be said of its encoding.

    Bytes that are no UTF-8 stay in it as Python keeps those of file names; `readable` shows them.

    Raises:
        LookalikeError: it cannot be read, or is no text.
    """
    try:
        data = place.read_bytes()
    except OSError as error:
        raise LookalikeError(f"cannot read {place}: {error.strerror or error}") from error
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None) or _unmarked_utf16(data)
    notes: list[str] = []
    try:
        text = data.decode(encoding or "utf-8-sig")
    except UnicodeDecodeError as error:
        if encoding is not None:
            raise LookalikeError(f"{place} is damaged: it begins as {encoding} and is not ({error.reason})") from error
        text = data.decode("utf-8-sig", errors="surrogateescape")
        notes.append(f"{place} is not UTF-8: read as cp1252, which older spreadsheets write")
    text = text.removeprefix("\ufeff")  # of a second mark, as where one program's file went through another
    if "\0" in text:
        raise LookalikeError(f"{place} is no text")
    return text, notes


def readable(text: str) -> str:
    """A text in which bytes that are no UTF-8 are letters of cp1252, or of latin-1 where that has none."""
    if not any("\udc80" <= letter <= "\udcff" for letter in text):
        return text
    data = text.encode("utf-8", errors="surrogateescape")
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def name_of(cell: str) -> str:
    """The name of a column as it is compared: small letters, _ for blanks and hyphens."""
    return re.sub(r"[\s\-]+", "_", cell.strip().strip("\"'").strip().lower())


def looks_like_file(cell: str) -> bool:
    """Whether a cell is the name of a file rather than of a column."""
    return _FILE.fullmatch(cell.strip()) is not None


def _unmarked_utf16(data: bytes) -> str | None:
    sample = data[:_SAMPLE]
    for name, zeros, others in (("utf-16-le", sample[1::2], sample[::2]), ("utf-16-be", sample[::2], sample[1::2])):
        if len(zeros) > 1 and not any(zeros) and all(others):
            return name
    return None


def _rows(place: Path, text: str, strict: bool) -> list[tuple[int, tuple[str, ...]]]:
    lines = list(io.StringIO(text, newline=""))  # of every kind of line end
    start, separator = 0, None
    while start < len(lines):
        line = lines[start].strip()
        matched = _SEP.match(line)
        if matched is not None:
            separator = matched[1]
        elif line.strip(",;\t|") and not line.startswith("#"):
            break
        start += 1
    if start == len(lines):
        return []
    reader = csv.reader(lines[start:], delimiter=separator or _separator(place, lines[start]), strict=strict)
    rows = []
    try:
        for cells in reader:
            while cells and not cells[-1].strip():
                cells.pop()
            if cells and not (len(cells) == 1 and cells[0].startswith("# ")):
                rows.append((start + reader.line_num, tuple(cells)))
    except csv.Error as error:
        raise LookalikeError(f"{place}, line {start + reader.line_num}: {error}") from error
    return rows


def _separator(place: Path, line: str) -> str:
    """What separates the cells of the first line, outside of quotes."""
    plain = re.sub(r'"[^"]*"', "", line)
    if place.suffix.lower() == ".tsv" and "\t" in plain:
        return "\t"
    return max(",;\t|", key=plain.count)
