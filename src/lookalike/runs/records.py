"""The records of a run folder, checked as they are read: config.toml, run.json, index.csv and other tables.

What a run of another version, or a person, left out has a value that stands for "not known"; a value of the wrong kind
is damage, and is said.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lookalike.core.damaged import damage, read_object, read_toml
from lookalike.core.errors import LookalikeError
from lookalike.core.record_types import Record
from lookalike.core.words import agreeing


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _is_seconds(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(s, int | float) for s in value.values())


def _is_shape(value: object) -> bool:
    return value is None or (isinstance(value, list) and len(value) == 3 and all(map(_is_count, value)))


def _is_list(value: object) -> bool:
    return isinstance(value, list)


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
"""What a run cannot be worked with when it is wrong."""
_SHOWN: Mapping[str, Callable[[object], bool]] = {
    "seed": _is_count,
    "training_images": _is_count,
    "skipped": _is_count,
    "passed_over": _is_list,
    "notes": _is_list,
    "survey": _is_list,
    "views": _is_table,
    "init": _is_table,
    "parameters": _is_count,
    "ended_at": _is_count,
    "method_title": _is_text,
    "with_labels": _is_truth,
}
"""What is only shown, and left out where it is wrong."""


@dataclass(frozen=True)
class RunRecord:
    """run.json: how a run was made, and how far it is. What is not known is None, empty or 0."""

    status: str = ""
    command: str = ""
    folder: str | None = None
    """The working folder."""
    data: list[str] | None = None
    """The absolute places of the images."""
    started: str = ""
    seed: int = 0
    fingerprint: str | None = None
    """Of the images."""
    images: int = 0
    training_images: int = 0
    shape: list[int] | None = None
    """C, H, W of what the network sees."""
    skipped: int = 0
    """Files that were no images."""
    passed_over: list[Record] = field(default_factory=list)
    """Files that were not read, by kind (`core/passed_over.py`)."""
    notes: list[str] = field(default_factory=list)
    """On the images, in sentences."""
    versions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, object] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    """Of the phases."""
    survey: list[str] = field(default_factory=list)
    """What was found in the images before any learning, in sentences."""
    views: dict[str, object] | None = None
    """How the views were chosen (`engine/choose_views.py`)."""
    init: dict[str, object] | None = None
    """The weights of others that it began with (`api/initial.py`)."""
    parameters: int = 0
    """Of the encoder."""
    ended_at: int | None = None
    """The step after which it was ended early."""
    method_title: str | None = None
    """What a method from elsewhere is called."""
    with_labels: bool = False
    """Whether a method from elsewhere learns from labels."""

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> RunRecord:
        """Of run.json, without values of the wrong kind."""
        fits = {**_RECORD, **_SHOWN}
        return cls(**{key: x for key, x in record.items() if key in fits and x is not None and fits[key](x)})

    @property
    def has_ended(self) -> bool:
        """Whether its training has ended."""
        return self.status in ("trained", "finished")


_NOT_KNOWN: Mapping[str, Any] = {
    "images": 0,
    "seconds": {},
    "started": "",
    "command": "",
    "machine": {},
    "versions": {},
}
"""For readers that ask for these without a question."""


def read_settings(path: Path) -> Record:
    """config.toml.

    Raises:
        LookalikeError: it cannot be read, or names no method; says what to do.
    """
    settings = read_toml(path)
    if not isinstance(settings.get("method"), str):
        raise LookalikeError(damage(path, "it does not say its method"))
    return settings


def read_status(path: Path) -> Record:
    """run.json.

    Raises:
        LookalikeError: it cannot be read, has no status or a value of the wrong kind; says what to do.
    """
    record = read_object(path)
    wrong = misfits(record)
    if wrong:
        are = agreeing(len(wrong), "is", "are")
        raise LookalikeError(damage(path, f"{', '.join(wrong)} {are} of the wrong kind"))
    if "status" not in record:
        raise LookalikeError(damage(path, "it does not say its status"))
    missing = {key: value.copy() if isinstance(value, dict) else value for key, value in _NOT_KNOWN.items()}
    return {**missing, **record}


def misfits(record: Mapping[str, object]) -> list[str]:
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
