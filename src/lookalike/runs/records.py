"""The records of a run folder, checked as they are read: config.toml, run.json, index.csv and other tables.

What a run of another version, or a person, left out has a value that stands for "not known"; a value of the wrong kind
is damage, and is said.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lookalike.core.damaged import damage, read_object, read_toml
from lookalike.core.errors import LookalikeError
from lookalike.core.words import agreeing


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _is_seconds(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(s, int | float) for s in value.values())


def _is_shape(value: object) -> bool:
    return value is None or (isinstance(value, list) and len(value) == 3 and all(map(_is_count, value)))


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


_RECORD: Mapping[str, Callable[[object], bool]] = {
    "status": _is_text,
    "images": _is_count,
    "seconds": _is_seconds,
    "started": _is_text,
    "command": _is_text,
    "machine": _is_table,
    "versions": _is_table,
    "shape": _is_shape,
    "data": _is_texts,
    "folder": _is_text,
    "fingerprint": _is_text,
}
_NOT_KNOWN: Mapping[str, Any] = {
    "images": 0,
    "seconds": {},
    "started": "",
    "command": "",
    "machine": {},
    "versions": {},
}
"""For readers that ask for these without a question."""


def read_settings(path: Path) -> dict[str, Any]:
    """config.toml.

    Raises:
        LookalikeError: it cannot be read, or names no method; says what to do.
    """
    found = read_toml(path)
    if not isinstance(found.get("method"), str):
        raise LookalikeError(damage(path, "it does not say its method"))
    return found


def read_status(path: Path) -> dict[str, Any]:
    """run.json.

    Raises:
        LookalikeError: it cannot be read, has no status or a value of the wrong kind; says what to do.
    """
    found = read_object(path)
    wrong = misfits(found)
    if wrong:
        are = agreeing(len(wrong), "is", "are")
        raise LookalikeError(damage(path, f"{', '.join(wrong)} {are} of the wrong kind"))
    if "status" not in found:
        raise LookalikeError(damage(path, "it does not say its status"))
    missing = {key: value.copy() if isinstance(value, dict) else value for key, value in _NOT_KNOWN.items()}
    return {**missing, **found}


def misfits(record: Mapping[str, Any]) -> list[str]:
    """The keys of run.json whose values are of the wrong kind."""
    return [key for key, fits in _RECORD.items() if key in record and not fits(record[key])]


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table such as index.csv or skipped.csv, by the names of its columns; what a row lacks is empty.

    Raises:
        LookalikeError: it cannot be read; says what to do.
    """
    try:
        with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise LookalikeError(damage(path, why or str(error))) from error
    return [{key: value or "" for key, value in row.items() if key is not None} for row in rows]
