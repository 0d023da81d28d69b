"""The run folder: what is where, and whether a folder may be used by a configuration."""

from __future__ import annotations

import dataclasses
import functools
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from lookalike.core import machine
from lookalike.core.errors import LookalikeError
from lookalike.core.files import machine_faults, write_json, write_toml
from lookalike.core.locks import Taken, held
from lookalike.core.names import as_spelt
from lookalike.core.nearby import meant_run
from lookalike.core.options import TrainOptions, lasting, spoken
from lookalike.core.passed_over import printable
from lookalike.core.places import absolute_places, folders_of, same_place
from lookalike.core.record_types import Record
from lookalike.core.words import counted
from lookalike.runs.records import RunRecord, read_settings, read_status

if TYPE_CHECKING:  # torch stays out of commands that only look at run folders
    from lookalike.data.base import Images

_PLACES = ("init", "more_labels")
"""Options that decide the result and are places, which may be said from another working folder."""
P = ParamSpec("P")
T = TypeVar("T")
_LOCK = ".lock"
RESERVED = ".reserved"
"""A file of the size of the weights, whose space is theirs (`engine/disk.py`)."""
_BEFORE = ("skipped.csv", "labels", "labels-only", _LOCK, RESERVED)
"""What may be in a folder before its run begins: files passed over, what fine-tuning does first, who has the folder."""


class RunFolder:
    """Paths and records of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.toml"
        self.record = path / "run.json"
        self.metrics = path / "metrics.jsonl"
        self.checkpoint = path / "checkpoints" / "last.pt"
        self.encoder = path / "encoder.safetensors"
        self.classifier = path / "classifier.safetensors"
        self.embeddings = path / "embeddings.npy"
        self.index = path / "index.csv"
        self.evaluation = path / "evaluation.json"
        self.clusters = path / "clusters.json"
        self.skipped = path / "skipped.csv"
        self.predictions = path / "predictions.csv"
        self.labels = path / "labels"
        self.spread = self.labels / "spread.csv"
        self.snapshots = path / "snapshots"
        self.report = path / "report.html"
        self.loaded: Images | None = None  # the run's images, where this process has them

    @classmethod
    def existing(cls, path: str | Path) -> RunFolder:
        """The run folder at `path`.

        Raises:
            LookalikeError: it is none; says what was looked for.
        """
        run = cls(Path(as_spelt(path)))
        if not run.config.is_file() or not run.record.is_file():
            what = "there is no such folder" if not run.path.exists() else "config.toml and run.json are not in it"
            hint = meant_run(run.path) if str(path) else ""
            raise LookalikeError(f"{path} is no run folder: {what}. {hint or '`lookalike runs ls` lists the runs.'}")
        return run

    def settings(self) -> Record:
        """The resolved configuration (config.toml)."""
        return read_settings(self.config)

    def status(self) -> RunRecord:
        """run.json."""
        return read_status(self.record)

    def folders(self) -> list[str]:
        """The folders that relative places in the configuration are tried from (`core/places.py`)."""
        folder = self.status().folder if self.record.exists() else None
        return folders_of(folder, self.settings(), self.path)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Have the folder to this process: of several that would write to it, one does. Reading needs no leave.

        It is made where it is not there, and removed again where it stayed empty. Of the processes that torchrun
        started the first one asks for all. The same thread may ask again within.

        Raises:
            LookalikeError: another process has it, and who; or the folder is none of ours.
            MachineError: it cannot be made or written.
        """
        self.raise_foreign()
        made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        with ExitStack() as stack:
            stack.callback(_remove_empty, made)
            try:
                with machine_faults("write", self.path):
                    self.path.mkdir(parents=True, exist_ok=True)
                    stack.enter_context(held(self.path / _LOCK))
            except Taken as taken:
                raise LookalikeError(_in_use(self.path, taken)) from None
            yield

    def claim(self, method: str, options: TrainOptions, images: Images, command: str) -> bool:
        """Make the folder this configuration's own; True where the run goes on from an earlier start.

        Raises:
            LookalikeError: the folder holds something else, a run of another configuration, or a run
                on other images. Nothing in it is touched then.
        """
        self.raise_foreign()
        if not self.config.exists():
            with machine_faults("create", self.path):
                self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
            self.configure(method, options, command)
            self._write_record(options, images, command)
            return False
        self._compare(method, options)
        if self.record.exists() and self.status().fingerprint != images.fingerprint:
            raise LookalikeError(
                f"{self.path} was trained on other images ({counted(self.status().images, 'image')}, "
                "other content or "
                f"names) than {spoken(options.data)} holds now. Name another folder with --out to train on these."
            )
        if not self.record.exists():  # killed between the two files
            self._write_record(options, images, command)
        elif options.data and self.status().data != absolute_places(options.data):
            self.update(data=absolute_places(options.data))  # the same images, at another place than before
        return self.checkpoint.exists()

    def complete(self) -> bool:
        """Whether it is trained to its last step."""
        record = self.status() if self.record.exists() else RunRecord()
        return record.has_ended and not record.ended_at

    def raise_foreign(self) -> None:
        """See that nothing but a run of ours is there, or what is written before one begins.

        Raises:
            LookalikeError: the folder holds something else.
        """
        if self.config.exists() or not self.path.is_dir():
            return
        if any(p.name not in _BEFORE for p in self.path.iterdir()):
            raise LookalikeError(f"{self.path} exists and holds no run; name another folder with --out")

    def _compare(self, method: str, options: TrainOptions) -> None:
        stored = self.settings()
        now = {"method": method, **{k: v for k, v in lasting(options).items() if v is not None}}
        runtime = {f.name for f in dataclasses.fields(options)} - set(lasting(options))
        stored = {k: v for k, v in stored.items() if k not in runtime}
        stored.setdefault("normalize", "data")  # what was done before it could be said
        different = [
            f"  - {key}: {stored.get(key, 'not set')} there, {now.get(key, 'not set')} now"
            for key in sorted({*stored, *now})
            if stored.get(key) != now.get(key) and not self._one_place(key, stored.get(key), now.get(key))
        ]
        if different:
            raise LookalikeError(
                f"{self.path} holds a run of another configuration:\n" + "\n".join(different) + "\n"
                f"To go on with that run: lookalike train --config {self.config}\n"
                "To train with the new settings: name another folder with --out\n"
                f"To start over here: remove {self.path} first"
            )

    def _one_place(self, key: str, stored: object, now: object) -> bool:
        """Whether two values are ways to say one place, from two working folders."""
        if key not in _PLACES or stored is None or now is None:
            return False
        return same_place(str(stored), self.folders(), str(now))

    def configure(self, method: str, options: TrainOptions, command: str) -> None:
        """Write config.toml; again, when something was chosen or decided after the start."""
        table = {"method": method, **dataclasses.asdict(options)}
        table["out"] = str(self.path)
        write_toml(
            self.config,
            table,
            head=f"{command}\nWorking folder: {Path.cwd()}\nRepeat: lookalike train --config {self.config}",
        )

    def _write_record(self, options: TrainOptions, images: Images, command: str) -> None:
        record = RunRecord(
            status="started",
            command=command,
            folder=str(Path.cwd()),
            data=absolute_places(options.data),
            started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            seed=options.seed,
            fingerprint=images.fingerprint,
            images=len(images),
            training_images=len(images.training),
            shape=list(images.shape),
            skipped=len(images.skipped),
            passed_over=[kind.record() for kind in images.listed.passed_over] if images.listed else [],
            notes=[printable(note) for note in images.listed.notes] if images.listed else [],
            versions={**machine.versions()},
            machine=dict(machine.description()),
        )
        write_json(self.record, record.to_json())

    def forget_features(self) -> None:
        """Remove what was found with the network as it was, before it is trained on."""
        stale = (self.evaluation, self.embeddings, self.clusters, self.predictions, self.labels / "predicted.csv")
        for path in stale:
            path.unlink(missing_ok=True)

    def update(self, status: str | None = None, seconds: dict[str, float] | None = None, **values: object) -> None:
        """Change run.json: the status, seconds of phases, anything else."""
        record = self.status()
        changes: dict[str, object] = {} if status is None else {"status": status}
        if seconds:
            changes["seconds"] = record.seconds | {name: round(value, 2) for name, value in seconds.items()}
        write_json(self.record, record.updated({**changes, **values}).to_json())


def writes(function: Callable[Concatenate[RunFolder, P], T]) -> Callable[Concatenate[RunFolder, P], T]:
    """What writes to the run that it is given, and so has it alone (`RunFolder.writing`)."""

    @functools.wraps(function)
    def alone(run: RunFolder, /, *arguments: P.args, **named: P.kwargs) -> T:
        with run.writing():
            return function(run, *arguments, **named)

    return alone


def _in_use(path: Path, taken: Taken) -> str:
    """Who has a folder, and what to do."""
    holder = taken.holder
    if holder is None:
        return f"{path} is in use by another process, which writes to it; wait until it ends"
    who = f"process {holder.pid} on {holder.host} has had it since {holder.since} ({holder.command})"
    if holder.pid == os.getpid() and holder.host == socket.gethostname():
        who = f"another thread of this process has had it since {holder.since}"
    ways = "wait until it ends, or stop it; to train beside it name another folder with --out"
    if not taken.sure:
        ways += f". If it is gone, remove {path / _LOCK}: this file system has no locks that would tell"
    return f"{path} is in use: {who}. What writes to a run does so alone: {ways}"


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders, the innermost first, that hold nothing."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def run_folders(place: Path) -> list[RunFolder]:
    """The run folders directly below a folder, by name."""
    if not place.is_dir():
        return []
    runs = (RunFolder(path) for path in sorted(place.iterdir()))
    return [run for run in runs if run.config.is_file() and run.record.is_file()]
