"""Ctrl-C: once ends a training with all that belongs to an end, twice stops at once; both can be gone on from."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch

from fakes import signal_after, tiny_options
from heard import Heard
from lookalike import api
from lookalike.core.errors import Interrupted
from lookalike.core.files import read_json
from lookalike.core.metrics import read_metrics
from lookalike.engine.checkpoint import load_checkpoint
from lookalike.engine.run_logger import EARLY
from lookalike.runs.folder import RunFolder
from processes import command

EPOCHS, BATCHES = 3, 7  # of 448 digits, in batches of 64


def train(name: str, out: Path, graceful: bool = True) -> RunFolder:
    options = tiny_options(
        name, data="digits", out=str(out), epochs=EPOCHS, batch_size=64, image_size=None, norm="batch", threads=1
    )
    options.check_every = 2
    images = api.load_images("digits", 8).of_rows(torch.arange(64 * BATCHES))
    return api.train(name, options, images=images, graceful=graceful)


@pytest.fixture(scope="module", params=["simclr", "deepcluster"])
def straight(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train(request.param, tmp_path_factory.mktemp("straight") / request.param)


def events(run: RunFolder) -> list[dict]:
    """The events without what the clock says."""
    timed = ("images_per_s", "seconds")
    return [{key: value for key, value in event.items() if key not in timed} for event in read_metrics(run.metrics)]


@pytest.mark.parametrize("step", [1, BATCHES + 3, BATCHES, 2 * BATCHES])
def test_once_ends_it_and_the_run_can_go_on(
    straight: RunFolder, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: Heard
):
    """In the middle of an epoch, at its end, and at an end that is looked at anyway."""
    name = straight.path.name
    signal_after(monkeypatch, step, signal.SIGINT)
    run = train(name, tmp_path / "run")
    monkeypatch.undo()
    assert f"the training ends here, after step {step} of 21, as you asked" in heard.said
    status = run.status()
    assert (status.status, status.ended_at) == ("trained", step)
    assert run.encoder.is_file()
    ending = [event for event in read_metrics(run.metrics) if event["step"] == step]
    assert any(event["event"] == "look" for event in ending)
    assert read_json(run.snapshots / "index.json")["frames"][-1]["step"] == step
    run.evaluation.write_text("{}")

    again = train(name, run.path)
    assert again.status().ended_at is None
    assert not run.evaluation.exists()  # it was of the network as it had been
    assert not any(EARLY in event for event in read_metrics(run.metrics))
    assert events(again) == events(straight)
    frames = [read_json(r.snapshots / "index.json")["frames"] for r in (again, straight)]
    assert frames[0] == frames[1]
    one, other = (load_checkpoint(r.checkpoint)["method"] for r in (again, straight))
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    assert again.encoder.read_bytes() == straight.encoder.read_bytes()


def test_after_the_last_step_there_is_nothing_to_end(
    straight: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    signal_after(monkeypatch, EPOCHS * BATCHES, signal.SIGINT)
    run = train(straight.path.name, tmp_path / "run")
    assert run.status().ended_at is None
    assert events(run) == events(straight)


@pytest.mark.parametrize(
    ("number", "graceful"), [(signal.SIGTERM, True), (signal.SIGHUP, True), (signal.SIGINT, False)]
)
def test_anything_else_stops_it(number: int, graceful: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    signal_after(monkeypatch, 3, number)
    with pytest.raises(Interrupted, match="the state is saved"):
        train("simclr", tmp_path / "run", graceful)
    assert RunFolder(tmp_path / "run").status().status == "interrupted"


def started(data: Path, out: Path, output: Path) -> BaseProcess:
    """A command line that has trained for an epoch of very many."""
    words = [str(data), "--epochs", "4000", "--augment", "crop-flip", "--threads", "1", "--out", str(out)]
    process = command([*words, "--width", "4", "--batch-size", "20"], output).process
    metrics = out / "metrics.jsonl"
    for _ in range(600):
        if metrics.exists() and any(event["event"] == "epoch" for event in read_metrics(metrics)):
            return process
        time.sleep(0.1)
    process.kill()
    raise AssertionError("no epoch within a minute")


@pytest.mark.slow
def test_once_at_the_command_line_gives_everything_though_the_reader_ends_by_it_too(photos: Path, tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    process = started(photos, tmp_path / "run", pipe)
    os.close(reader)  # as with `2>&1 | tee log`: the terminal sends Ctrl-C to both
    os.kill(process.pid, signal.SIGINT)
    process.join(600)
    assert process.exitcode == 0
    run = RunFolder(tmp_path / "run")
    assert run.status().status == "finished"
    for path in (run.encoder, run.evaluation, run.embeddings, run.clusters, run.report):
        assert path.is_file(), path


@pytest.mark.slow
def test_twice_at_the_command_line_stops_at_once(photos: Path, tmp_path: Path):
    process = started(photos, tmp_path / "run", tmp_path / "output")
    for _ in range(20):  # two that come within one step of a busy machine are one
        os.kill(process.pid, signal.SIGINT)
        process.join(0.3)
        if process.exitcode is not None:
            break
    process.join(60)
    assert process.exitcode in (130, -signal.SIGINT)
    run = RunFolder(tmp_path / "run")
    assert not run.report.exists()
    assert load_checkpoint(run.checkpoint)["step"] > 0


def test_the_second_signal_is_not_held_up():
    """While a step is under way a second Ctrl-C kills as it does any program."""
    from lookalike.engine.signals import StopSignals

    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.number == signal.SIGINT
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL


def test_a_lost_terminal_stops_nothing_after_nohup():
    from lookalike.engine.signals import StopSignals

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.number is None
    finally:
        signal.signal(signal.SIGHUP, before)
