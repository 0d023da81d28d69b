"""Whole runs of two processes: the same weights as one, resumed with any number, and what happens when one dies."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from fakes import at_step, tiny_options
from lookalike import api
from lookalike.core.comm import Comm
from lookalike.core.errors import Interrupted, LookalikeError, PeerError
from lookalike.core.files import read_json
from lookalike.core.metrics import read_metrics
from lookalike.data.base import Images
from lookalike.data.loading import load as load_images
from lookalike.engine.checkpoint import load_checkpoint
from lookalike.engine.loop import Trainer
from lookalike.runs.folder import RunFolder
from processes import Command, commands, in_processes

pytestmark = pytest.mark.slow

METHODS = ("deepcluster", "deepcluster-v2", "simclr", "supervised", "byol")
"""With plans, memories and a momentum copy; a step of every method is in `lookalike.contract`."""
SAID = {
    "data": "digits",
    "epochs": 2,
    "batch_size": 128,
    "precision": "float64",
    "image_size": None,
    "check_every": 2,
    "n_clusters": 20,
    "threads": 1,
}
STEPS = {"supervised": 8}  # of two epochs; the other methods see all images and make 10


def digits() -> Images:
    """Some of the digits: of what supervised training learns from there is a block of 512 images for each process."""
    return load_images("digits").of_rows(torch.arange(680))


def train(name: str, out: Path, **said: Any) -> RunFolder:
    return api.train(name, tiny_options(name, **{**SAID, **said}, out=str(out)), images=digits())


def stopped_after(name: str, out: Path, step: int) -> str:
    """What a run says that is asked to stop after a step."""

    def ask(trainer: Trainer) -> None:
        if trainer.comm.rank == trainer.comm.size - 1:  # one process hears the signal
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted) as stopped:
        at_step(patch, step, ask)
        train(name, out)
    return str(stopped.value)


def in_two(comm: Comm, folder: Path) -> list[str]:
    """Straight runs of every method, and the first part of interrupted ones."""
    for name in METHODS:
        train(name, folder / f"{name}-two", **({"micro_batch": "50"} if name == "simclr" else {}))
    return [stopped_after(name, folder / f"{name}-changed", 3) for name in METHODS]


def to_the_end(comm: Comm, folder: Path) -> dict[str, Any]:
    """The last part of interrupted runs; what one of them is measured to reach."""
    for name in METHODS:
        train(name, folder / f"{name}-changed")
    return api.evaluate(RunFolder(folder / f"{METHODS[0]}-changed"), images=digits())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run a method by one process, one by two, and one by two, then one, then two."""
    folder = tmp_path_factory.mktemp("several")
    for name in METHODS:
        train(name, folder / f"{name}-one", **({"micro_batch": "100"} if name == "simclr" else {}))
    said, silence = in_processes(in_two, folder)
    assert all("stopped by SIGTERM after step 3" in words for words in said)
    assert not any(silence)  # one process speaks
    for name in METHODS:
        stopped_after(name, folder / f"{name}-changed", STEPS.get(name, 10) // 2 + 2)
    measured, by_the_other = in_processes(to_the_end, folder)
    assert measured == by_the_other
    return folder


def assert_same(one: RunFolder, two: RunFolder) -> None:
    a, b = load_checkpoint(one.checkpoint), load_checkpoint(two.checkpoint)
    assert a["step"] == b["step"]
    for key, value in a["method"].items():
        if value.is_floating_point():
            assert float((value - b["method"][key]).abs().max() / value.abs().max().clamp_min(1e-12)) <= 1e-9, key
        else:
            assert torch.equal(value, b["method"][key]), key
    events = [[e for e in read_metrics(run.metrics) if e["event"] == "epoch"] for run in (one, two)]
    assert [e["epoch"] for e in events[0]] == [e["epoch"] for e in events[1]] == [1, 2]
    assert [e["loss"] for e in events[0]] == pytest.approx([e["loss"] for e in events[1]], rel=1e-9)


@pytest.mark.parametrize("name", METHODS)
def test_two_processes_train_what_one_trains(runs: Path, name: str):
    assert_same(RunFolder(runs / f"{name}-one"), RunFolder(runs / f"{name}-two"))


@pytest.mark.parametrize("name", METHODS)
def test_a_run_goes_on_with_another_number_of_processes(runs: Path, name: str):
    assert_same(RunFolder(runs / f"{name}-one"), RunFolder(runs / f"{name}-changed"))


def test_two_processes_measure_what_one_measures(runs: Path):
    run = RunFolder(runs / f"{METHODS[0]}-changed")
    by_two = read_json(run.evaluation)
    by_one = api.evaluate(run, images=digits())
    assert by_one.keys() == by_two.keys()
    for key, value in by_one.items():
        assert value == (pytest.approx(by_two[key], abs=0.003) if isinstance(value, float) else by_two[key]), key


def quarrel(comm: Comm, folder: Path, about: str) -> str:
    seed = comm.rank if about == "seed" else 0
    options = tiny_options("simclr", **SAID, seed=seed, out=str(folder / "quarrel"))
    images = digits()
    if about == "images" and comm.rank == 1:
        images = dataclasses.replace(images, pixels=images.pixels.flip(0), known_digests=None)
    try:
        api.train("simclr", options, images=images)
    except PeerError:
        return ""
    except LookalikeError as error:
        return str(error)
    raise AssertionError("they did not notice")


@pytest.mark.parametrize(
    ("about", "said"), [("seed", "seed is 1 for process 1 and 0 for process 0"), ("images", "images is ")]
)
def test_processes_that_disagree_are_told_once(tmp_path: Path, about: str, said: str):
    words, silence = in_processes(quarrel, tmp_path, about)
    assert said in words
    assert words.count("they must agree") == 1
    assert silence == ""
    assert not (tmp_path / "quarrel").exists()


def told(started: list[Command]) -> str:
    """What the processes of a job have written, when all of them have failed."""
    text = "".join(each.end() for each in started)
    assert all(each.process.exitcode for each in started)
    return text


def test_a_mistake_is_told_by_one_process(tmp_path: Path):
    words = ["train", "simclr", "digits", "--batch-size", "255", "--out", str(tmp_path / "run")]
    text = told(commands(words, tmp_path / "output"))
    assert text.count("--batch-size 255 does not divide into the 2 processes of this run") == 1
    assert not (tmp_path / "run").exists()


def test_a_flag_that_does_not_exist_is_told_by_one_process(tmp_path: Path):
    text = told(commands(["train", "simclr", "digits", "--bach-size", "256"], tmp_path / "output"))
    assert text.count("--bach-size") == 1


DYING = """
import os, signal
from lookalike.methods.simclr import SimCLR

class Dying(SimCLR):
    title = "Dying"

    def on_step_end(self, step):
        if step.index == 8 and self.comm.rank == 1 and "DIES" in os.environ:
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_dies_ends_the_run_which_goes_on_when_started_again(tmp_path: Path):
    """Started by torchrun, which says who died."""
    (tmp_path / "dying.py").write_text(DYING)
    run = RunFolder(tmp_path / "run")
    words = ["train", f"{tmp_path / 'dying.py'}:Dying", "digits", "--batch-size", "256", "--epochs", "2"]
    words += ["--width", "4", "--check-every", "2", "--no-report", "--out", str(run.path)]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "DIES": "yes"}
    died = subprocess.run(
        [*torchrun, "-m", "lookalike", *words], capture_output=True, text=True, env=variables, timeout=120
    )
    text = died.stdout + died.stderr
    assert died.returncode != 0
    assert "rank      : 1" in text
    assert "goes on from the last checkpoint" in text  # the other one says what to do
    assert load_checkpoint(run.checkpoint)["step"] == 7  # of the first epoch
    again = commands(words, tmp_path / "again")
    text = "".join(each.end() for each in again)
    assert [each.process.exitcode for each in again] == [0, 0], text
    assert "going on at" in text
    assert run.status().status == "finished"
