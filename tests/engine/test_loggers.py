"""`--log`: events go on to TensorBoard and W&B, once each, and never stop a training."""

from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fakes import signal_after
from heard import Heard
from lookalike import api
from lookalike.core.errors import Interrupted, LookalikeError
from lookalike.core.metrics import read_metrics
from lookalike.engine import loggers
from lookalike.engine.loggers import scalars
from lookalike.methods.simclr import Options
from lookalike.runs.folder import RunFolder

BATCHES, EPOCHS = 3, 3  # of 60 images in batches of 20


def train(photos: Path, out: Path, log: str) -> RunFolder:
    options = Options(data=str(photos), out=str(out), epochs=EPOCHS, batch_size=20, width=4, threads=1, log=log)
    options.check_every, options.snapshots, options.precision = 1, False, "float32"
    return api.train("simclr", options)


def expected(run: RunFolder) -> dict[tuple[str, int], float]:
    """The numbers of metrics.jsonl by name and step."""
    found = {}
    for event in read_metrics(run.metrics):
        values = {key: value for key, value in event.items() if key not in ("event", "step")}
        found |= {(name, event["step"]): value for name, value in scalars(event["event"], values).items()}
    return found


def test_names_and_numbers_of_events():
    look = {"of": "network", "epoch": 2, "knn": 0.5, "closest": None, "verdict": "healthy", "early": True}
    assert scalars("look", look) == {"look/network/epoch": 2.0, "look/network/knn": 0.5}
    assert scalars("clustering", {"head": 1, "inertia": 3}) == {"clustering/1/inertia": 3.0}
    assert scalars("epoch", {"loss": math.nan, "lr": 0.1}) == {"epoch/lr": 0.1}


def in_tensorboard(run: RunFolder) -> list[tuple[str, int, float]]:
    accumulator = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(run.path / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    return [(tag, e.step, e.value) for tag in events.Tags()["scalars"] for e in events.Scalars(tag)]


@pytest.mark.parametrize("stop", [None, 4, 6])
def test_tensorboard_has_every_number_once_also_of_a_run_that_went_on(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int | None
):
    pytest.importorskip("tensorboard")
    if stop is not None:
        signal_after(monkeypatch, stop)
        with pytest.raises(Interrupted):
            train(photos, tmp_path / "run", "tensorboard")
        monkeypatch.undo()
    run = train(photos, tmp_path / "run", "tensorboard")
    found = in_tensorboard(run)
    assert len({(name, step) for name, step, _ in found}) == len(found)
    assert {(name, step): pytest.approx(value, rel=1e-5) for name, step, value in found} == expected(run)


class FakeWandB:
    """What `import wandb` gives here: it keeps what it is told, and takes no step that it has, as W&B does."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.started: list[dict[str, Any]] = []
        self.logged: dict[tuple[str, int], float] = {}
        self.finished, self.fails_at = 0, fails_at

    def init(self, **how: Any) -> Any:
        self.started.append(how)
        return SimpleNamespace(log=self._log, finish=self._finish)

    def _log(self, values: dict[str, float], step: int) -> None:
        if self.fails_at is not None and step >= self.fails_at:
            raise ConnectionError("no route to host")
        self.logged |= {(name, step): value for name, value in values.items()}

    def _finish(self) -> None:
        self.finished += 1


def test_wandb_is_told_everything_and_a_run_that_goes_on_is_the_same_one(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fake = FakeWandB()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    with monkeypatch.context() as inner:
        signal_after(inner, 4)
        with pytest.raises(Interrupted):
            train(photos, tmp_path / "run", "wandb")
    run = train(photos, tmp_path / "run", "wandb")
    assert fake.logged == expected(run)
    assert fake.finished == 2
    one, other = fake.started
    assert one["id"] == other["id"]
    assert (one["project"], one["name"], one["resume"]) == ("lookalike", "run", "allow")
    assert one["config"]["epochs"] == EPOCHS


def test_a_logger_that_fails_stops_nothing_and_is_told_of_once(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: Heard
):
    monkeypatch.setitem(sys.modules, "wandb", FakeWandB(fails_at=3))
    run = train(photos, tmp_path / "run", "wandb")
    assert run.status().status == "trained"
    said = heard.said
    assert said.count("--log wandb failed and is left alone, the training goes on: no route to host") == 1


def test_a_logger_that_cannot_start_stops_nothing(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: Heard
):
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **how: 1 / 0))
    assert train(photos, tmp_path / "run", "wandb").status().status == "trained"
    assert "--log wandb failed" in heard.said


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_package_that_is_absent_is_named_before_there_is_a_run(
    name: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(LookalikeError, match=rf"--log {name} needs {name}.*pip install 'lookalike\[{name}\]'"):
        train(photos, tmp_path / "run", name)
    assert not (tmp_path / "run").exists()


def test_nothing_is_imported_or_sent_unless_asked_for(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def never(*_: Any) -> None:
        raise AssertionError("asked for a package")

    monkeypatch.setattr(loggers, "need", never)
    options = Options(data=str(photos), out=str(tmp_path / "run"), epochs=0, width=4, threads=1, snapshots=False)
    api.train("simclr", options)
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_an_unknown_logger_is_a_mistake_like_any_other():
    assert list(Options(log="tensorbord, wandb").problems()) == [
        "unknown --log 'tensorbord': did you mean 'tensorboard'?"
    ]
