"""The records of a run folder, checked as they are read: config.toml, run.json, index.csv and other tables.

What a run of another version, or a person, left out has a value that stands for "not known"; a value of the wrong kind
is damage, and is said.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from lookalike.core.damaged import damage, read_object, read_toml
from lookalike.core.errors import LookalikeError
from lookalike.core.options import current_name
from lookalike.core.record_types import Record
from lookalike.core.words import agreeing
from lookalike.runs.values import count, entries, number, numbers, sentences, table, text, texts, truth

_REQUIRED: Mapping[str, Callable[[object], object]] = {
    "status": text,
    "images": count,
    "seconds": numbers,
    "started": text,
    "command": text,
    "machine": table,
    "versions": table,
    "shape": lambda value: [] if value is None else _shape(value),
    "data": texts,
    "folder": text,
    "fingerprint": text,
}
"""What a run cannot be worked with when it is of the wrong kind (None). Other values are left out then."""


def _shape(value: object) -> list[int] | None:
    sizes = value if isinstance(value, list) and len(value) == 3 else []
    return sizes if sizes and all(count(size) is not None for size in sizes) else None


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
    passed_over: list[object] = field(default_factory=list)
    """Files that were not read, by kind (`core/passed_over.py`)."""
    notes: list[str] = field(default_factory=list)
    """On the images, in sentences."""
    versions: dict[str, object] = field(default_factory=dict)
    machine: dict[str, object] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    """Of the phases."""
    survey: list[str] = field(default_factory=list)
    """What was found in the images before any learning, in sentences."""
    views: dict[str, object] | None = None
    """How the views were chosen (`engine/choose_views.py`)."""
    init: dict[str, object] | None = None
    """The weights of others that it began with (`api/pretrained.py`)."""
    parameters: int = 0
    """Of the encoder."""
    ended_at: int | None = None
    """The step after which it was ended early."""
    method_title: str | None = None
    """What a method from elsewhere is called."""
    with_labels: bool = False
    """Whether a method from elsewhere learns from labels."""
    used: float = 0.0
    """Seconds of the budget that are used."""
    extent: dict[str, object] | None = None
    """How many images a look takes, where there is a budget (`engine/extent.py`)."""
    budget: dict[str, object] | None = None
    """What the end of a run with a budget was expected to take (`engine/budget.py`)."""
    scale: list[object] = field(default_factory=list)
    """The range of numbers that an estimator was fitted to (`inputs/value_range.py`)."""
    document: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)
    """All that the file holds. What this version does not know is written back as it is."""

    @classmethod
    def from_json(cls, record: Mapping[str, object]) -> RunRecord:
        """Read from run.json; values of the wrong kind are left out."""
        get = record.get
        return cls(
            status=text(get("status")) or "",
            command=text(get("command")) or "",
            folder=text(get("folder")),
            data=texts(get("data")),
            started=text(get("started")) or "",
            seed=count(get("seed")) or 0,
            fingerprint=text(get("fingerprint")),
            images=count(get("images")) or 0,
            training_images=count(get("training_images")) or 0,
            shape=_shape(get("shape")),
            skipped=count(get("skipped")) or 0,
            passed_over=entries(get("passed_over")),
            notes=sentences(get("notes")),
            versions=table(get("versions")) or {},
            machine=table(get("machine")) or {},
            seconds=numbers(get("seconds")) or {},
            survey=sentences(get("survey")),
            views=table(get("views")),
            init=table(get("init")),
            parameters=count(get("parameters")) or 0,
            ended_at=count(get("ended_at")),
            method_title=text(get("method_title")),
            with_labels=truth(get("with_labels")) or False,
            used=number(get("used")) or 0.0,
            extent=table(get("extent")),
            budget=table(get("budget")),
            scale=entries(get("scale")),
            document=record,
        )

    def to_json(self) -> dict[str, object]:
        """The content of run.json: the document that was read, with the values that have changed since."""
        before = RunRecord.from_json(self.document)
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "document"}
        begun = {} if self.document else {name: values[name] for name in _BEGUN}
        changed = {name: value for name, value in values.items() if value != getattr(before, name)}
        return {**begun, **self.document, **changed}

    def updated(self, values: Mapping[str, object]) -> RunRecord:
        """A copy with other values in its document. This version need not know their keys."""
        return RunRecord.from_json({**self.to_json(), **values})

    @property
    def channels(self) -> int | None:
        """C of what the network sees."""
        return self.shape[0] if self.shape else None

    @property
    def rows_to_evaluate(self) -> int | None:
        """How many learning rows there is time to evaluate with; None: all."""
        return count((self.budget or {}).get("evaluated"))

    @property
    def init_hash(self) -> str | None:
        """Of the file of weights that it began with."""
        return text((self.init or {}).get("sha256"))

    @property
    def has_ended(self) -> bool:
        """Whether its training has ended."""
        return self.status in ("trained", "finished")


_NAMES = [f.name for f in fields(RunRecord)]
_BEGUN = _NAMES[: _NAMES.index("seconds") + 1]
"""What is written when a run begins, whatever it is."""


_FIRST = ("images", "seconds", "started", "command", "machine", "versions")
"""Keys that stand first in a document that is written again, with empty values where it lacks them."""


def read_settings(path: Path) -> Record:
    """config.toml.

    Raises:
        LookalikeError: it cannot be read, or names no method; says what to do.
    """
    settings = {current_name(key): value for key, value in read_toml(path).items()}
    if not isinstance(settings.get("method"), str):
        raise LookalikeError(damage(path, "it does not say its method"))
    return settings


def read_status(path: Path) -> RunRecord:
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
    empty = RunRecord().to_json()
    return RunRecord.from_json({**{name: empty[name] for name in _FIRST}, **record})


def misfits(record: Mapping[str, object]) -> list[str]:
    """The keys of run.json that must be right and whose values are of the wrong kind."""
    return [key for key, value_of in _REQUIRED.items() if key in record and value_of(record[key]) is None]


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
