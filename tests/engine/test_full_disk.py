"""A full disk is foreseen before the first step; what fills up later costs anything but the weights."""

import errno
import os
import shutil
import signal
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes import after_steps, at_step, tiny_options
from heard import Heard
from lookalike import api
from lookalike.core.errors import Interrupted, MachineError
from lookalike.core.full_disk import is_full
from lookalike.core.metrics import read_metrics
from lookalike.engine import disk, run_logger
from lookalike.engine.classifier import load_classifier
from lookalike.engine.loop import Trainer
from lookalike.methods.simclr import Options
from lookalike.runs.folder import RESERVED, RunFolder

EPOCHS, BATCHES = 3, 3


def train(photos: Path, out: Path, **changes: object) -> RunFolder:
    changes = {"data": str(photos), "epochs": EPOCHS, "width": 4, "batch_size": 20, "augment": "crop-flip", **changes}
    return api.train("simclr", Options(out=str(out), threads=1, precision="float32", **changes), set(changes))


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], bool]], None]:
    """Lets files be refused for lack of space, by their paths."""
    replace = os.replace

    def fill(refused: Callable[[Path], bool]) -> None:
        def refusing(source: str, target: str) -> None:
            if refused(Path(target)):
                raise OSError(errno.ENOSPC, "No space left on device")
            replace(source, target)

        monkeypatch.setattr(os, "replace", refusing)

    return fill


@pytest.mark.parametrize("found", ["little is free", "a quota refuses", "a limit of file sizes refuses"])
def test_it_is_foreseen_before_anything_is_written(found: str, photos: Path, tmp_path: Path, monkeypatch):
    if found == "little is free":
        usage = namedtuple("usage", "total used free")(10**9, 10**9 - 10**5, 10**5)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    else:
        number = errno.EDQUOT if "quota" in found else errno.EFBIG

        def refused(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "posix_fallocate", refused)
    with pytest.raises(MachineError, match=r"too little space for .*run: a run needs about .*the weights .*--out"):
        train(photos, tmp_path / "runs" / "run", store=False)
    assert list(tmp_path.iterdir()) == []


def test_the_space_of_the_weights_is_kept_until_they_are_written(photos: Path, tmp_path: Path, monkeypatch):
    seen = []
    after_steps(monkeypatch, lambda trainer: seen.append((tmp_path / "run" / RESERVED).stat().st_size))
    run = train(photos, tmp_path / "run")
    assert len(seen) == EPOCHS * BATCHES and min(seen) > run.encoder.stat().st_size
    assert not (run.path / RESERVED).exists()


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_that_reserves_nothing_is_none_that_is_full(number: int, tmp_path: Path, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refused)
    disk.reserve(RunFolder(tmp_path), {"its state, twice while it is written": 10, "the weights": 10})
    assert list(tmp_path.iterdir()) == []


def test_what_fills_up_during_a_training_costs_no_weights(
    photos: Path, tmp_path: Path, full, monkeypatch, heard: Heard
):
    run = RunFolder(tmp_path / "run")
    full(lambda path: path == run.checkpoint or path.parent == run.snapshots)
    appended, calls = open, []

    def refusing(path: Path, mode: str, **how: object) -> object:
        calls.append(path)
        if 2 < len(calls) < 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        return appended(path, mode, **how)

    monkeypatch.setattr(run_logger, "open", refusing, raising=False)
    assert train(photos, run.path).status().status == "trained"
    assert run.encoder.is_file() and not run.checkpoint.exists()
    said = heard.said
    for what in ("the state after step 3 is not saved", "no snapshot is kept of epoch 3", "metrics.jsonl lacks"):
        assert f"the disk is full: {what}" in said
    epochs = [event["epoch"] for event in read_metrics(run.metrics) if event["event"] == "epoch"]
    assert epochs == [1, 2, 3] and len(calls) > 6  # what could not be written was written with the next


def test_events_are_written_once_there_is_space_again(photos: Path, tmp_path: Path, full, monkeypatch, heard: Heard):
    """The disk is full from the first epoch on, until snapshots are given up for the weights."""
    run = RunFolder(tmp_path / "run")
    full(lambda path: path == run.encoder and run.snapshots.exists())
    appended, calls = open, []

    def refusing(path: Path, mode: str, **how: object) -> object:
        calls.append(path)
        if len(calls) > 3 and run.snapshots.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return appended(path, mode, **how)

    monkeypatch.setattr(run_logger, "open", refusing, raising=False)
    train(photos, run.path)
    assert "the disk is full: metrics.jsonl lacks the newest events" in heard.said
    epochs = [event["epoch"] for event in read_metrics(run.metrics) if event["event"] == "epoch"]
    assert epochs == [1, 2, 3]


def test_a_classifier_is_kept_as_weights_are(photos: Path, tmp_path: Path, full, monkeypatch):
    run = RunFolder(tmp_path / "run")
    full(lambda path: path == run.classifier and run.checkpoint.exists())
    options = tiny_options("supervised", data=str(photos), out=str(run.path), batch_size=20, threads=1)
    api.train("supervised", options)
    assert run.encoder.is_file() and load_classifier(run, "cpu").classes == ("blue", "green", "red")
    assert not run.checkpoint.exists() and not run.snapshots.exists()


def test_a_state_that_is_not_saved_is_not_said_to_be(photos: Path, tmp_path: Path, full, monkeypatch):
    run = RunFolder(tmp_path / "run")

    def fill_up(trainer: Trainer) -> None:
        full(lambda path: path == run.checkpoint)
        os.kill(os.getpid(), signal.SIGTERM)

    at_step(monkeypatch, 5, fill_up)
    with pytest.raises(Interrupted, match="after step 5 of 9; the disk is full, and the last state .* step 3"):
        train(photos, run.path)
    assert run.status().status == "interrupted"


@pytest.fixture
def filled(tmp_path: Path) -> RunFolder:
    """A run folder with a snapshot and a state."""
    run = RunFolder(tmp_path / "run")
    for file in (run.snapshots / "000003.npy", run.checkpoint):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x")
    return run


def refused(path: Path) -> None:
    raise MachineError(f"cannot write {path}") from OSError(errno.ENOSPC, "No space left on device")


def test_snapshots_and_then_the_state_go_for_the_weights(filled: RunFolder):
    said: list[str] = []

    def save(path: Path) -> None:
        if filled.checkpoint.exists():
            refused(path)
        path.write_bytes(b"weights")

    disk.save_weights(filled, {filled.encoder: save}, said.append)
    assert filled.encoder.read_bytes() == b"weights" and not filled.snapshots.exists()
    assert [str(path) in line for path, line in zip((filled.snapshots, filled.checkpoint), said, strict=True)] == [
        True,
        True,
    ]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_in_need_the_weights_are_saved_elsewhere(number: int, filled: RunFolder, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def save(path: Path) -> None:
        if path == filled.encoder:
            raise MachineError(f"cannot write {path}") from OSError(number, os.strerror(number))
        path.write_bytes(b"weights")

    with pytest.raises(MachineError, match="The weights are saved in .*: copy them to") as error:
        disk.save_weights(filled, {filled.encoder: save, filled.classifier: save}, print)
    for name in ("encoder.safetensors", "classifier.safetensors"):
        (place,) = tmp_path.glob(f"lookalike-*/{name}")
        assert place.read_bytes() == b"weights" and str(place) in str(error.value)
    assert filled.checkpoint.exists() == (number != errno.ENOSPC)


def test_what_is_full_is_told_by_its_cause():
    for number, expected in ((errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EFBIG, True), (errno.EACCES, False)):
        error = MachineError("cannot write")
        error.__cause__ = OSError(number, "it")
        assert is_full(error) == expected
    assert not is_full(MachineError("alone"))
