"""What a run folder holds, read without PyTorch.

`features_and_index` insist on whole files. A `RunReader` has patience: what is damaged or absent is said, and left out.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np

from lookalike.core.damaged import damage, read_object, read_toml
from lookalike.core.errors import LookalikeError
from lookalike.core.method_facts import learns_from_labels, title_of
from lookalike.core.metrics import read_metrics
from lookalike.core.nearby import meant_run
from lookalike.core.option_types import mistyped
from lookalike.core.options import TrainOptions
from lookalike.core.record_types import Event, Record
from lookalike.core.words import counted
from lookalike.runs.clusters import ClusterRecord
from lookalike.runs.evaluation import Evaluation
from lookalike.runs.folder import RunFolder
from lookalike.runs.looks import LookRecord, looks_in
from lookalike.runs.records import RunRecord, misfits, read_rows

_FORMAT = 1  # of snapshots/index.json

T = TypeVar("T")


def index_of(run: RunFolder) -> list[dict[str, str]]:
    """The rows of index.csv: `path`, `split`, `label`, `cluster` of each image, in the order of the features.

    Raises:
        LookalikeError: it is not there, or cannot be read.
    """
    if not run.index.is_file():
        raise LookalikeError(
            f"cannot read {run.index}: it is not there. Let the training begin, which lists the images, or write it "
            f"with the features: lookalike embed {shlex.quote(str(run.path))}"
        )
    return read_rows(run.index)


def features_and_index(run: RunFolder, *, mapped: bool = False) -> tuple[np.ndarray, list[dict[str, str]]]:
    """embeddings.npy (float32 [N, D]) and the rows of index.csv.

    Args:
        run: a run folder.
        mapped: map the file of features and read none of it yet.

    Raises:
        LookalikeError: they are not there, cannot be read, or do not belong together.
    """
    embed = f"lookalike embed {shlex.quote(str(run.path))}"
    if not run.embeddings.is_file():
        raise LookalikeError(
            f"{run.embeddings} is not there; let the training finish, or write the features first: {embed}"
        )
    try:
        features = (_mapped if mapped else _array)(run.embeddings)
    except (OSError, ValueError, EOFError) as error:
        raise LookalikeError(damage(run.embeddings, str(error))) from error
    rows = index_of(run)
    if features.ndim != 2 or len(features) != len(rows) or not rows:
        raise LookalikeError(
            f"{run.embeddings} is of shape {list(features.shape)} and index.csv has {counted(len(rows), 'row')}: they "
            f"do not belong together. Write both with: {embed}"
        )
    return features, rows


def evaluation_of(run: RunFolder) -> Evaluation | None:
    """evaluation.json; None where nothing was evaluated.

    Raises:
        LookalikeError: it cannot be read.
    """
    return Evaluation.from_json(read_object(run.evaluation)) if run.evaluation.exists() else None


@dataclass(frozen=True)
class Frame:
    """Features of the subset at one moment."""

    kind: str
    """pixels, untrained or network."""
    epoch: int
    step: int
    features_ND: np.ndarray
    clusters_N: np.ndarray | None = None
    """int32, the cluster that an image was trained to be in; -1 for an image that was not trained on."""

    @property
    def name(self) -> str:
        """For people."""
        if self.kind != "network":
            return self.kind
        return f"epoch {self.epoch}" if self.step else "as it began"


@dataclass
class RunReader:
    """One run folder. `missing` gathers sentences about what could not be read."""

    path: Path
    missing: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        wanted = [name for name in ("config.toml", "run.json") if not (self.path / name).is_file()]
        if wanted:
            what = "there is no such folder" if not self.path.exists() else f"{' and '.join(wanted)} not found in it"
            hint = meant_run(self.path) or "`lookalike runs ls` lists the runs."
            raise LookalikeError(f"{self.path} is no run folder: {what}. {hint}")

    @property
    def name(self) -> str:
        """That of the folder."""
        return self.path.resolve().name

    @property
    def method(self) -> str:
        """The method's name as people write it; of a run without training, whose weights it has."""
        if self.config.get("epochs") == 0:
            init = self.config.get("init")
            return f"Weights of {Path(str(init)).name}" if init else "An untrained network"
        return title_of(str(self.config.get("method", "")), self.record.method_title)

    @property
    def with_labels(self) -> bool:
        """Whether the method learned from labels."""
        return learns_from_labels(str(self.config.get("method", "")), self.record.with_labels)

    @cached_property
    def config(self) -> Record:
        """config.toml, without values that are of another type than the option."""
        settings: Record = self._read("config.toml", read_toml, {})
        wrong = dict(mistyped(settings, TrainOptions))
        for key, words in wrong.items():
            self.missing.append(damage(self.path / "config.toml", f"{key} must be {words}"))
        return {key: value for key, value in settings.items() if key not in wrong}

    @cached_property
    def record(self) -> RunRecord:
        """run.json, without values of the wrong kind."""
        record: Record = self._read("run.json", read_object, {})
        wrong = misfits(record)
        if wrong:
            self.missing.append(damage(self.path / "run.json", f"of the wrong kind: {', '.join(wrong)}"))
        return RunRecord.from_json(record)

    @cached_property
    def evaluation(self) -> Evaluation | None:
        """evaluation.json; None where nothing was evaluated."""
        record = self._read("evaluation.json", read_object, None)
        return None if record is None else Evaluation.from_json(record)

    @cached_property
    def clusters(self) -> ClusterRecord:
        """clusters.json."""
        return ClusterRecord.from_json(self._read("clusters.json", read_object, {}))

    @cached_property
    def index(self) -> list[dict[str, str]]:
        """The rows of index.csv."""
        return self._read("index.csv", read_rows, [])

    @cached_property
    def skipped(self) -> list[dict[str, str]]:
        """The rows of skipped.csv: files that were no images."""
        rows: list[dict[str, str]] = self._read("skipped.csv", read_rows, [])
        return [{"path": row.get("path") or "", "reason": row.get("reason") or ""} for row in rows]

    @cached_property
    def events(self) -> list[Event]:
        """metrics.jsonl, up to a line that was cut."""
        path = self.path / "metrics.jsonl"
        try:
            events = [event for event in read_metrics(path) if isinstance(event, dict)]
            lines = len(path.read_bytes().splitlines()) if path.exists() else 0
        except (OSError, ValueError) as error:
            self.missing.append(f"{path} cannot be read: {error}.")
            return []
        if lines > len(events):
            self.missing.append(
                f"{path} is cut or damaged after {len(events):,} of {counted(lines, 'line')}; the rest is left out."
            )
        return events

    def events_of(self, kind: str) -> list[Event]:
        """The events of one kind."""
        return [event for event in self.events if event.get("event") == kind]

    @cached_property
    def looks(self) -> list[LookRecord]:
        """The looks at features, in the order of time."""
        return looks_in(self.events)

    @cached_property
    def images(self) -> int:
        """The number of images."""
        return len(self.index) or self.record.images

    @cached_property
    def embeddings(self) -> np.ndarray | None:
        """embeddings.npy [images, D], mapped and not read; None where it is absent or of other images."""
        features = self._read("embeddings.npy", _mapped, None)
        if features is not None and (features.ndim != 2 or len(features) != self.images):
            self.missing.append(
                f"{self.path / 'embeddings.npy'} does not belong to index.csv: lookalike embed writes both."
            )
            return None
        return features

    @cached_property
    def thumbs(self) -> Record | None:
        """snapshots/thumbs.json."""
        table = self._read("snapshots/thumbs.json", read_object, None)
        return table if table is not None and {"side", "columns", "rows", "sheets"} <= table.keys() else None

    @cached_property
    def hashes(self) -> np.ndarray | None:
        """snapshots/hashes.npy: uint64, of the images that have thumbnails."""
        hashes = self._read("snapshots/hashes.npy", _mapped, None)
        rows = (self.thumbs or {}).get("rows", ())
        return hashes if hashes is not None and hashes.shape == (len(rows),) else None

    @cached_property
    def _snapshots(self) -> Record:
        index: Record = self._read("snapshots/index.json", read_object, {})
        if index and index.get("format") != _FORMAT:
            self.missing.append(
                f"{self.path / 'snapshots'} is of format {index.get('format')!r}, and this version reads {_FORMAT}: "
                "a newer lookalike shows it."
            )
            return {}
        return index

    @cached_property
    def subset(self) -> np.ndarray:
        """int64: the images whose features were kept."""
        return np.array(self._snapshots.get("rows", []), np.int64)

    @cached_property
    def frames(self) -> list[Frame]:
        """The snapshots, in the order of time; a damaged one is left out."""
        frames = []
        for entry in self._snapshots.get("frames", []):
            features = self._read(f"snapshots/{entry['file']}", _array, None)
            clusters = self._read(f"snapshots/{entry['clusters']}", _array, None) if "clusters" in entry else None
            if features is None or features.ndim != 2 or len(features) != len(self.subset):
                self.missing.append(f"the snapshot {entry['file']} of {self.name} is missing or damaged.")
                continue
            if clusters is not None and clusters.shape != self.subset.shape:
                clusters = None
            frames.append(Frame(entry["kind"], entry["epoch"], entry["step"], features, clusters))
        return frames

    def _read(self, name: str, read: Callable[[Path], T], absent: T) -> T:
        path = self.path / name
        if not path.exists():
            return absent
        try:
            return read(path)
        except LookalikeError as error:
            self.missing.append(str(error))
        except (OSError, ValueError, EOFError, KeyError) as error:
            self.missing.append(damage(path, str(error)))
        return absent


def _array(path: Path) -> np.ndarray:
    array: np.ndarray = np.load(path, allow_pickle=False)
    return array


def _mapped(path: Path) -> np.ndarray:
    array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
