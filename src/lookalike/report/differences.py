"""Why two runs differ: settings, versions, machines, images, and what came of them. Needs no PyTorch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from lookalike.core.options import TrainOptions
from lookalike.core.record_types import Event
from lookalike.evaluate.comparison import chance
from lookalike.report.scores import last_look
from lookalike.runs.reader import RunReader
from lookalike.runs.values import number

PARTS = ("configuration", "images", "versions", "machine", "figures")
"""What is compared, in the order in which one looks for a reason."""

_PLACES = ("data", "out")  # names of things, that are compared as such or must differ
_SHARES = ("knn", "linear", "accuracy", "classifier")  # last words of figures that are shares of the test images


@dataclass
class Differences:
    """What differs between two runs: of each part, a name and what the one and the other has (None: nothing)."""

    names: tuple[str, str]
    parts: dict[str, dict[str, tuple[object, object]]] = field(default_factory=dict)
    by_chance: dict[str, float] = field(default_factory=dict)
    """Of figures on the same test images: how far they may differ by chance."""

    def event(self) -> dict[str, object]:
        """As JSON."""
        return {"runs": list(self.names), **dataclasses.asdict(self)["parts"], "by_chance": self.by_chance}

    @property
    def none(self) -> bool:
        """Whether nothing differs."""
        return not any(self.parts.values())


def differences(a: RunReader, b: RunReader) -> Differences:
    """What differs between two runs."""
    result = Differences((str(a.path), str(b.path)))
    tables: dict[str, tuple[Mapping[str, object], Mapping[str, object]]] = {
        "configuration": (_configuration(a), _configuration(b)),
        "images": _images(a, b),
        "versions": (a.record.versions, b.record.versions),
        "machine": (a.record.machine, b.record.machine),
        "figures": (_figures(a), _figures(b)),
    }
    for part in PARTS:
        one, other = tables[part]
        result.parts[part] = {
            key: (one.get(key), other.get(key)) for key in {**one, **other} if one.get(key) != other.get(key)
        }
    images = tested_alike(a, b)
    for key, values in result.parts["figures"].items():
        x, y = map(number, values)
        if images and x is not None and y is not None and key.split(".")[-1] in _SHARES:
            result.by_chance[key] = chance(x, y, images)
    return result


def _configuration(run: RunReader) -> dict[str, object]:
    """The settings that decide the result, and what the weights were that it began with."""
    runtime = {f.name for f in dataclasses.fields(TrainOptions) if f.metadata.get("runtime")}
    settings = {key: value for key, value in run.config.items() if key not in {*runtime, *_PLACES}}
    if run.record.init_hash:
        settings["init (sha256)"] = run.record.init_hash[:12]
    if run.record.ended_at:
        settings["ended early, after step"] = run.record.ended_at
    return settings


def _images(a: RunReader, b: RunReader) -> tuple[dict[str, object], dict[str, object]]:
    tables = []
    for run, other in ((a, b), (b, a)):
        record = run.record
        keys = ("images", "training_images", "shape", "skipped", "fingerprint")
        table: dict[str, object] = {key: getattr(record, key) for key in keys}
        if record.fingerprint != other.record.fingerprint:
            table["data"] = run.config.get("data")
            theirs = {row.get("path") for row in other.index}
            table["only here"] = sum(row.get("path") not in theirs for row in run.index)
        tables.append(table)
    return tables[0], tables[1]


def _figures(run: RunReader) -> dict[str, float]:
    """Numbers of the evaluation, of the last look and of the last epoch."""
    measured = {} if run.evaluation is None else run.evaluation.to_json()
    figures = {f"evaluation.{key}": number(value) for key, value in measured.items()}
    look = last_look(run)
    figures |= {} if look is None else {"look.retrieval": look.retrieval, "look.effective_rank": look.effective_rank}
    last: Event = (run.events_of("epoch") or [{}])[-1]
    figures |= {key: number(last.get(key)) for key in ("epoch", "loss")}
    return {key: value for key, value in figures.items() if value is not None}


def tested_alike(a: RunReader, b: RunReader) -> int:
    """Test images that both were evaluated on; 0 where those are others."""
    rows = [0 if run.evaluation is None else run.evaluation.test_rows for run in (a, b)]
    same = a.record.fingerprint is not None and a.record.fingerprint == b.record.fingerprint
    return rows[0] if same and rows[0] == rows[1] else 0
