"""A run that was stopped or killed at any moment goes on to the same bits as one that was not."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from fakes import Killed, at_step, killed_after, signal_after
from lookalike import api
from lookalike.core.errors import Interrupted, LookalikeError, MachineError
from lookalike.core.metrics import read_metrics
from lookalike.data.base import Images
from lookalike.engine import checkpoint as checkpoint_module
from lookalike.engine.checkpoint import load_checkpoint, save_checkpoint
from lookalike.methods.simclr import Options
from lookalike.runs.folder import RunFolder
from processes import start

SMALL = {"epochs": 3, "batch_size": 64, "width": 4, "head_size": 16, "check_every": 2, "precision": "float32"}


def digits() -> Images:
    """Seven batches of them."""
    return api.load_images("digits").of_rows(torch.arange(448))


def train(out: Path, images: Images | None = None, **changes: object) -> RunFolder:
    """A small run; what is not said is left to the recipe, as on the command line."""
    said = {**SMALL, **changes}
    options = Options(data="digits", out=str(out), threads=1, **said)
    return api.train("simclr", options, set(said), images=images or digits())


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that nobody interrupted."""
    return train(tmp_path_factory.mktemp("straight") / "run")


def assert_same_run(one: RunFolder, two: RunFolder) -> None:
    """Equal weights, optimiser and events (times apart), bit for bit."""
    a, b = load_checkpoint(one.checkpoint), load_checkpoint(two.checkpoint)
    assert a["step"] == b["step"]
    for name, tensor in a["method"].items():
        assert torch.equal(tensor, b["method"][name]), name
    for k, state in a["optimizer"]["state"].items():
        for name, value in state.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(b["optimizer"]["state"][k][name]))
    assert events(one) == events(two)
    assert one.encoder.read_bytes() == two.encoder.read_bytes()


def events(run: RunFolder) -> list[dict]:
    """What happened, times apart."""
    return [{k: v for k, v in e.items() if k not in ("images_per_s", "seconds")} for e in read_metrics(run.metrics)]


@pytest.mark.parametrize("stop_after", [1, 6, 7, 10, 14])
def test_stopped_by_a_signal(straight: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int):
    signal_after(monkeypatch, stop_after)
    with pytest.raises(Interrupted, match="Go on with the same command") as stopped:
        train(tmp_path / "run")
    assert stopped.value.exit_status == 128 + signal.SIGTERM
    assert RunFolder(tmp_path / "run").status().status == "interrupted"
    monkeypatch.undo()
    assert_same_run(straight, train(tmp_path / "run"))


@pytest.mark.parametrize("kill_after", [1, 9, 15])
def test_killed_between_checkpoints(
    straight: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_after: int
):
    killed_after(monkeypatch, kill_after)
    with pytest.raises(Killed):
        train(tmp_path / "run", checkpoint_minutes=0.0)
    monkeypatch.undo()
    assert_same_run(straight, train(tmp_path / "run"))


def train_and_save(out: Path) -> None:
    train(out, checkpoint_minutes=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.1, 0.3, 0.6, 1.0])
def test_killed_by_sigkill_at_any_moment(straight: RunFolder, tmp_path: Path, moment: float):
    run = RunFolder(tmp_path / "run")
    process = start(train_and_save, run.path)
    while not run.metrics.exists() and process.is_alive():
        time.sleep(0.01)
    time.sleep(moment)
    process.kill()
    process.join()
    assert_same_run(straight, train(run.path))


def test_the_same_command_on_a_finished_run_changes_nothing(straight: RunFolder):
    before = straight.checkpoint.read_bytes()
    train(straight.path)
    assert straight.checkpoint.read_bytes() == before


def test_another_configuration_is_refused_with_the_difference(straight: RunFolder):
    with pytest.raises(LookalikeError, match=r"lr: 0.5 there, 0.7 now") as refused:
        train(straight.path, lr=0.7)
    assert "--out" in str(refused.value)
    assert "temperature" not in str(refused.value)


def test_other_images_are_refused(straight: RunFolder):
    import dataclasses

    images = digits()
    pixels = images.pixels.clone()
    pixels[0, 0, 0, 0] += 1
    other = dataclasses.replace(images, pixels=pixels, known_digests=None)
    with pytest.raises(LookalikeError, match="was trained on other images"):
        train(straight.path, images=other)


def test_a_checkpoint_of_another_architecture_is_named(straight: RunFolder, tmp_path: Path):
    run = train(tmp_path / "run", width=8, max_steps=1)
    run.checkpoint.write_bytes(straight.checkpoint.read_bytes())
    run.update("interrupted")
    with pytest.raises(LookalikeError, match="another architecture: width 4 there, 8 here"):
        train(tmp_path / "run", width=8, max_steps=1)


def test_a_damaged_checkpoint_is_named_and_kept(straight: RunFolder, tmp_path: Path):
    path = tmp_path / "last.pt"
    path.write_bytes(straight.checkpoint.read_bytes()[:1000])
    with pytest.raises(LookalikeError, match="cannot be read as a checkpoint"):
        load_checkpoint(path)
    assert path.stat().st_size == 1000


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"step": 1, "weights": torch.zeros(10)})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_module.torch, "save", full)
    with pytest.raises(MachineError, match=r"No space left on device.*untouched") as failed:
        save_checkpoint(path, {"step": 2})
    assert failed.value.exit_status == 1
    monkeypatch.undo()
    assert load_checkpoint(path)["step"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_what_torch_raises_on_a_really_full_disk_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "fdopen", lambda *_: open("/dev/full", "wb", buffering=0))
    with pytest.raises(MachineError, match="cannot write"):
        save_checkpoint(tmp_path / "last.pt", {"weights": torch.zeros(100_000)})


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path):
    with pytest.raises(LookalikeError, match=r"the loss became nan at step \d+ of 21.*--lr") as stopped:
        train(tmp_path / "run", lr=1e12, warmup=0.0)
    run = RunFolder(tmp_path / "run")
    assert run.status().status == "failed"
    assert "there is no checkpoint yet" in str(stopped.value)
    assert read_metrics(run.metrics)[-1]["event"] == "not finite"


def test_the_last_good_checkpoint_survives_a_loss_that_is_not_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    at_step(monkeypatch, 10, lambda trainer: trainer.method.head[0].weight.data.fill_(torch.inf))
    with pytest.raises(LookalikeError, match="at step 10 of 21; the last good checkpoint is"):
        train(tmp_path / "run")
    state = load_checkpoint(RunFolder(tmp_path / "run").checkpoint)
    assert state["step"] == 7
    assert all(torch.isfinite(t).all() for t in state["method"].values())


def test_metrics_cut_short_are_read_and_continued(straight: RunFolder, tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    text = straight.metrics.read_text()
    path.write_text(text[: len(text) - 20])
    assert read_metrics(path) == [json.loads(line) for line in text.splitlines()][:-1]
