"""A budget of time in a whole training, with a stand-in clock on which a step takes a second."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from fakes import signal_after, tiny_options
from lookalike import api
from lookalike.core.budget import EVALUATION, FEATURES, GROUPS, PAGE, Budget
from lookalike.core.errors import ConfigurationError, Interrupted, LookalikeError
from lookalike.core.files import read_json
from lookalike.core.metrics import read_metrics
from lookalike.core.options import TrainOptions
from lookalike.data import store_build
from lookalike.data.base import Images, LoadConfig
from lookalike.data.loading import load
from lookalike.engine.budget import AIM, LOOKS, Behind, grouping_seconds, keeps_time, raise_too_little
from lookalike.engine.pacing import CLOCK, read_legs
from lookalike.methods.base import Method, Step
from lookalike.runs.folder import RunFolder

T = 90.0
EXPLICIT = {"batch_size", "budget", "width", "encoder", "head_size", "threads", "report", "out", "image_size", "norm"}


@pytest.fixture(scope="module")
def images() -> Images:
    found = load("digits")
    return found.of_rows(found.training[:320])


class Seconds:
    """A clock on which every step takes `step` seconds and nothing else takes time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: float = 1.0) -> None:
        self.at = 50.0

        def pass_on(method: Method, now: Step) -> None:
            self.at += step

        monkeypatch.setattr(Method, "on_step_end", pass_on)

    def __call__(self) -> float:
        return self.at


def said(out: Path, **more: object) -> TrainOptions:
    options = {"data": "digits", "batch_size": 64, "budget": f"{T:.0f}s", "threads": 1, "report": False}
    return tiny_options("simclr", **{**options, "out": str(out), "image_size": None, "lr": None, **more})


def trained(out: Path, images: Images, clock: Seconds, **more: object) -> RunFolder:
    budget = Budget(T, clock(), clock=clock)
    return api.train("simclr", said(out, **more), EXPLICIT, images=images, budget=budget)


def weights(run: RunFolder) -> bytes:
    return run.encoder.read_bytes()


def test_the_time_is_learned_in_and_what_the_clock_decided_is_repeated_to_the_bit(
    tmp_path: Path, images: Images, monkeypatch: pytest.MonkeyPatch
):
    run = trained(tmp_path / "run", images, Seconds(monkeypatch))
    settings = run.settings()
    steps = settings["max_steps"]
    assert AIM * T - 4 <= steps <= AIM * T + 1  # what comes after takes next to nothing here
    assert settings["epochs"] == -(-steps // 5)
    assert read_legs(settings["schedule"])[0].step == 0
    assert AIM * T - 4 <= run.status().used <= T
    looks = [event for event in read_metrics(run.metrics) if event["event"] == "look" and event["of"] == "network"]
    assert 3 <= len(looks) <= LOOKS + 1
    assert looks[-1]["step"] == steps
    rates = [event["lr"] for event in read_metrics(run.metrics) if event["event"] == "epoch"]
    assert rates[-1] < 0.02 * max(rates)

    monkeypatch.undo()
    _, options = api.options_of(run)
    again = api.train("simclr", replace(options, out=str(tmp_path / "again")), images=images)
    assert weights(again) == weights(run)
    # the same command again finds that all is done
    assert weights(trained(tmp_path / "run", images, Seconds(monkeypatch))) == weights(run)


def test_a_run_that_was_killed_goes_on_with_the_time_that_was_left(
    tmp_path: Path, images: Images, monkeypatch: pytest.MonkeyPatch
):
    clock = Seconds(monkeypatch)
    signal_after(monkeypatch, 40)
    with pytest.raises(Interrupted):
        trained(tmp_path / "run", images, clock)
    run = RunFolder(tmp_path / "run")
    assert run.settings()["schedule"] == CLOCK
    assert run.status().used == 40
    monkeypatch.undo()
    clock = Seconds(monkeypatch, step=0.5)  # on a machine that is faster today
    run = trained(tmp_path / "run", images, clock)
    steps = run.settings()["max_steps"]
    assert abs(steps - (40 + (AIM * T - 40) / 0.5)) <= 6
    _, options = api.options_of(run)
    again = api.train("simclr", replace(options, out=str(tmp_path / "again")), images=images)
    assert weights(again) == weights(run)


def test_no_time_is_left_for_more_than_a_few_steps(tmp_path: Path, images: Images, monkeypatch: pytest.MonkeyPatch):
    run = trained(tmp_path / "run", images, Seconds(monkeypatch, step=100.0))
    assert run.settings()["max_steps"] == 8
    assert run.status().status == "trained"


def test_epochs_that_were_said_win(tmp_path: Path, images: Images, monkeypatch: pytest.MonkeyPatch):
    clock = Seconds(monkeypatch)
    options = said(tmp_path / "run", epochs=1)
    run = api.train("simclr", options, {*EXPLICIT, "epochs"}, images=images, budget=Budget(T, clock(), clock=clock))
    assert run.settings()["epochs"] == 1
    assert "schedule" not in run.settings()


@pytest.mark.parametrize(
    ("budget", "explicit", "schedule", "timed"),
    [
        ("5m", (), None, True),
        (None, (), None, False),
        ("5m", ("epochs",), None, False),
        ("5m", ("max_steps",), None, False),
        ("5m", ("epochs", "schedule"), CLOCK, True),  # the config.toml of a run that is under way
        ("5m", ("epochs", "max_steps", "schedule"), "0:0.0:0.1", False),  # that of one that has ended
    ],
)
def test_when_the_clock_decides(budget: str | None, explicit: tuple[str, ...], schedule: str | None, timed: bool):
    assert keeps_time(TrainOptions(budget=budget, schedule=schedule), explicit) == timed


@pytest.mark.parametrize("budget", ["soon", "5", "0s", "-3m", "", "1h-5m"])
def test_no_length_of_time(budget: str):
    options = tiny_options("simclr", data="digits", budget=budget)
    with pytest.raises(ConfigurationError, match="--budget must be a length of time such as 20m"):
        api.train("simclr", options)


@pytest.mark.parametrize("budget", ["10 min", "10m", "600s", "0.1666666h", "10MIN"])
def test_ways_to_say_ten_minutes(budget: str):
    assert round(Budget.from_text(budget).seconds, 2) == 600


def test_no_schedule():
    with pytest.raises(ConfigurationError, match="--schedule 'later' is no schedule"):
        api.train("simclr", tiny_options("simclr", data="digits", schedule="later"))


def test_what_comes_after_the_training_is_added_up():
    behind = Behind(10_000, frozenset({FEATURES, EVALUATION, GROUPS, PAGE}), networks=3, rows=10_000)
    behind.image, behind.look, behind.probe, behind.groups = 0.001, 2.0, 5.0, 12.0
    parts = behind.parts()
    assert parts["last look"] == 2
    assert parts[FEATURES] == 10
    assert parts[EVALUATION] == 3 * 5 + 2 * 10
    assert parts[GROUPS] == 12
    assert sum(parts.values()) == behind.seconds()
    assert behind.parts(2.0)[PAGE] == 2 * parts[PAGE]
    assert behind.seconds(2.0) > behind.seconds()
    assert Behind(10_000, frozenset()).seconds() == 0


def test_groups_are_timed_on_a_few_rows():
    x_ND = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
    few, many = (grouping_seconds(SimpleNamespace(x_ND=x_ND), n) for n in (300, 6000))  # type: ignore[arg-type]
    assert few > 1
    assert many > 1
    assert grouping_seconds(SimpleNamespace(x_ND=x_ND[:4]), 300) == 1  # type: ignore[arg-type]


def test_too_little_time_is_refused_at_once_and_says_what_would_do():
    clock = SimpleNamespace(at=10.0)
    budget = Budget(30, 10.0, clock=lambda: clock.at)
    raise_too_little(budget, 4000)
    with pytest.raises(LookalikeError, match="allow at least --budget 51s") as told:
        raise_too_little(budget, 80_000)
    assert "80,000 images" in str(told.value)
    clock.at += 25
    with pytest.raises(LookalikeError):
        raise_too_little(budget, 4000)


def test_the_time_is_that_of_all_starts(tmp_path: Path, images: Images, monkeypatch: pytest.MonkeyPatch):
    clock = Seconds(monkeypatch)
    signal_after(monkeypatch, 20)
    with pytest.raises(Interrupted):
        trained(tmp_path / "run", images, clock)
    monkeypatch.undo()
    record = tmp_path / "run" / "run.json"
    record.write_text(json.dumps({**read_json(record), "used": 10 * T}), encoding="utf-8")
    run = trained(tmp_path / "run", images, Seconds(monkeypatch))
    assert 21 <= run.settings()["max_steps"] <= 22  # a last leg, and that is all


def test_decoding_that_takes_too_long_is_refused_as_soon_as_its_pace_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """On a clock on which every picture takes ten seconds; what was decoded is there for the next start."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(40):
        Image.effect_noise((20 + i % 3, 20), 60 + i).convert("RGB").save(folder / f"{i}.png")
    clock = SimpleNamespace(at=0.0)
    monkeypatch.setattr(store_build, "_CHUNK", 8)
    examined = store_build.examine_all

    def slow(*given: Any, **named: Any) -> Any:
        found = list(examined(*given, **named))
        clock.at += 10 * len(found)
        return found

    monkeypatch.setattr(store_build, "examine_all", slow)
    monkeypatch.setattr(store_build, "time", SimpleNamespace(monotonic=lambda: clock.at))
    options = said(tmp_path / "run", data=str(folder), budget="4m", cache=str(tmp_path / "cache"), batch_size=16)
    budget = Budget(240.0, 0.0, clock=lambda: clock.at)
    with pytest.raises(LookalikeError, match=r"decoding the images will take about .* more, .*--budget \d+m") as told:
        api.train("simclr", options, EXPLICIT, budget=budget)
    assert "What is decoded is in the store" in str(told.value)
    assert clock.at <= 160
    before = clock.at
    load(str(folder), config=LoadConfig(cache=str(tmp_path / "cache")))
    assert clock.at - before < 400
