"""Runs that cluster: stopped in the middle of a cycle they go on to the same bits, and what they refuse."""

import dataclasses
import os
import signal
from pathlib import Path

import pytest
import torch

from fakes import Killed, after_steps, at_step, killed_after, signal_after, tiny_options
from heard import Heard
from lookalike import api
from lookalike.core.errors import ConfigurationError, Interrupted, LookalikeError
from lookalike.core.metrics import read_metrics
from lookalike.core.plan import Plan
from lookalike.data.base import Images
from lookalike.engine.loop import Trainer
from lookalike.engine.run_logger import RunLogger
from lookalike.engine.saving import Checkpoint
from lookalike.methods import deepcluster
from lookalike.runs.folder import RunFolder
from test_resume import assert_same_run

METHODS = ("deepcluster", "deepcluster-v2")
CLUSTERING = pytest.mark.parametrize("name", METHODS)
EPOCHS, EVERY, BATCHES = 4, 3, 3  # clustered in epochs 1 and 4, the batches of an epoch


def digits(n: int = 200) -> Images:
    images = api.load_images("digits")
    assert images.labels is not None
    return dataclasses.replace(images, pixels=images.pixels[:n], paths=images.paths[:n], labels=images.labels[:n])


def options(name: str, out: Path, **said: object):
    small = {
        "epochs": EPOCHS, "every": EVERY, "batch_size": 64, "image_size": None, "norm": "batch", "check_every": 2,
        "precision": "float32", "augment": "digits", "lr": 0.5, "head_momentum": 0.9, **said,
    }  # fmt: skip
    return tiny_options(name, data="digits", out=str(out), threads=1, **small)


def train(name: str, out: Path, images: Images | None = None, **said: object) -> RunFolder:
    return api.train(name, options(name, out, **said), images=images or digits())


@pytest.fixture(scope="module", params=METHODS)
def straight(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, RunFolder]:
    """A method and a run of it that nobody interrupted."""
    return request.param, train(request.param, tmp_path_factory.mktemp("straight") / "run")


def clusterings(run: RunFolder) -> list[dict]:
    return [event for event in read_metrics(run.metrics) if event["event"] == "clustering"]


def assert_same(one: RunFolder, two: RunFolder) -> None:
    """Equal in all that `assert_same_run` compares, and no clustering recorded twice."""
    assert_same_run(one, two)
    seen = [(event["epoch"], event["head"]) for event in clusterings(two)]
    assert len(seen) == len(set(seen))


def test_what_is_recorded_of_a_clustering(straight: tuple[str, RunFolder]):
    name, run = straight
    heads = range(1 if name == "deepcluster" else 3)
    found = clusterings(run)
    assert [(e["epoch"], e["head"], e["step"]) for e in found] == [
        (epoch, head, (epoch - 1) * BATCHES + 1) for epoch in (1, 4) for head in heads
    ]
    for event in found:
        assert (event["nmi_previous"] is None) is (event["epoch"] == 1)
        assert event["nmi_previous"] is None or 0 < event["nmi_previous"] < 1
        assert 0 < event["nmi_labels"] < 1
        assert event["clusters"] == 6
        assert 0 <= event["smallest"] <= 200 / 6 <= event["largest"] <= 200
        assert event["empty"] == 0 or event["smallest"] == 0
        assert event["inertia"] > 0
        assert event["seconds"] >= 0


@pytest.mark.parametrize("stop_after", [2, 4, 6, 10])  # 3 steps an epoch; clustered before 1 and 10
def test_stopped_by_a_signal(
    straight: tuple[str, RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
):
    name, run = straight
    signal_after(monkeypatch, stop_after)
    with pytest.raises(Interrupted):
        train(name, tmp_path / "run")
    monkeypatch.undo()
    assert_same(run, train(name, tmp_path / "run"))


@pytest.mark.parametrize("every_step", [False, True])  # whether there are checkpoints inside of epochs
@pytest.mark.parametrize("kill_after", [4, 5, 9])
def test_killed_between_checkpoints(
    straight: tuple[str, RunFolder],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kill_after: int,
    every_step: bool,
):
    name, run = straight
    killed_after(monkeypatch, kill_after)
    with pytest.raises(Killed):
        train(name, tmp_path / "run", checkpoint_minutes=0.0 if every_step else 10.0)
    monkeypatch.undo()
    assert_same(run, train(name, tmp_path / "run"))


def test_killed_right_after_a_clustering_was_recorded(
    straight: tuple[str, RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    name, run = straight
    event = RunLogger.event

    def recording(self: RunLogger, kind: str, step: int, **values: object) -> None:
        event(self, kind, step, **values)
        if kind == "clustering" and step > 1:
            raise Killed

    monkeypatch.setattr(RunLogger, "event", recording)
    with pytest.raises(Killed):
        train(name, tmp_path / "run")
    assert clusterings(RunFolder(tmp_path / "run"))[-1]["step"] == 10
    monkeypatch.setattr(RunLogger, "event", event)
    assert_same(run, train(name, tmp_path / "run"))


@CLUSTERING
def test_targets_of_the_cycle_under_way_are_those_from_before_the_stop(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Clustering again with the weights of the moment would give others; the checkpoint has the old ones."""
    plans: list[Plan] = []

    def note(trainer: Trainer) -> None:
        assert trainer.plan is not None
        plans.append(Plan(trainer.plan.order_M.clone(), trainer.plan.targets_NH.clone()))
        if trainer.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    after_steps(monkeypatch, note)
    with pytest.raises(Interrupted):
        train(name, tmp_path / "run")
    train(name, tmp_path / "run")
    assert len(plans) == EPOCHS * BATCHES
    assert torch.equal(plans[4].order_M, plans[5].order_M)  # the same epoch
    assert all(torch.equal(plans[0].targets_NH, plan.targets_NH) for plan in plans[:9])  # the same cycle
    assert not torch.equal(plans[8].targets_NH, plans[9].targets_NH)


@CLUSTERING
def test_more_clusters_than_images_are_refused(name: str, tmp_path: Path):
    with pytest.raises(ConfigurationError) as refused:
        train(name, tmp_path / "run", n_clusters=201)
    assert refused.value.problems == ("--n-clusters 201 is more than the 200 training images there are",)
    assert list(tmp_path.iterdir()) == []


@CLUSTERING
@pytest.mark.parametrize("k", [1, 0, -3])
def test_fewer_than_two_clusters_are_refused(name: str, tmp_path: Path, k: int):
    with pytest.raises(ConfigurationError) as refused:
        train(name, tmp_path / "run", n_clusters=k)
    assert refused.value.problems == (f"--n-clusters must be at least 2, got {k}",)
    assert list(tmp_path.iterdir()) == []


@CLUSTERING
def test_more_clusters_than_distinct_images_are_refused(name: str, tmp_path: Path):
    images = digits()
    copies = dataclasses.replace(images, pixels=images.pixels[:5].repeat(40, 1, 1, 1))
    with pytest.raises(ConfigurationError) as refused:
        train(name, tmp_path / "run", images=copies)
    (problem,) = refused.value.problems
    assert problem == "--n-clusters 6 is more than the 5 distinct images there are (of 200, the others are copies)"
    assert list(tmp_path.iterdir()) == []
    train(name, tmp_path / "run", images=copies, n_clusters=5, epochs=1)  # as many as there are will do


@CLUSTERING
def test_only_training_images_are_counted(name: str, tmp_path: Path):
    split = dataclasses.replace(digits(), split=("train",) * 100 + ("test",) * 100)
    with pytest.raises(ConfigurationError, match="--n-clusters 101 is more than the 100 training images"):
        train(name, tmp_path / "run", images=split, n_clusters=101)


@CLUSTERING
def test_images_that_are_all_the_same_are_refused(name: str, tmp_path: Path):
    grey = dataclasses.replace(digits(), pixels=torch.full((200, 1, 16, 16), 99, dtype=torch.uint8))
    with pytest.raises(ConfigurationError, match="more than the 1 distinct image there is"):
        train(name, tmp_path / "run", images=grey)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_gives_all_images_the_same_features_is_told_so(tmp_path: Path):
    class Constant(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(12))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.weight.expand(len(x), -1)

    with pytest.raises(LookalikeError, match="the features of 200 images are all the same"):
        api.train("deepcluster", options("deepcluster", tmp_path / "run"), images=digits(), encoder=Constant())
    run = RunFolder(tmp_path / "run")
    assert run.status().status == "failed"
    assert not run.encoder.exists()


@CLUSTERING
def test_features_that_are_not_finite_are_told_so(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def spoil(trainer: Trainer) -> None:
        with torch.no_grad():
            next(trainer.method.encoder.parameters()).fill_(torch.nan)
            for buffer in trainer.method.buffers():
                if buffer.is_floating_point() and buffer.ndim > 1:
                    buffer.fill_(torch.nan)

    at_step(monkeypatch, 9, spoil)  # the last step of a cycle
    monkeypatch.setattr(Checkpoint, "save", lambda self, end: None)
    with pytest.raises(LookalikeError, match="NaN or infinite values"):
        train(name, tmp_path / "run", check_every=4)
    assert RunFolder(tmp_path / "run").status().status == "failed"


def test_a_collapse_is_said_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: Heard):
    lloyd = deepcluster.lloyd

    def one_cluster(x_ND: torch.Tensor, k: int, **said: object):
        found = lloyd(x_ND, k, **said)
        labels = torch.zeros_like(found.labels_N)
        labels[: k - 1] = torch.arange(1, k)
        return dataclasses.replace(found, labels_N=labels, counts_K=torch.bincount(labels, minlength=k))

    monkeypatch.setattr(deepcluster, "lloyd", one_cluster)
    train("deepcluster", tmp_path / "run", every=1)
    shown = heard.said
    assert shown.count("collapsing: one cluster holds 195 of 200 images") == 1
    assert shown.count("clusters of 1 to 195") == EPOCHS
