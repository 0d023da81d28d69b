"""A budget of time: what fits into it, and that it is measured once only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fakes import signal_after, tiny_options
from lookalike import api
from lookalike.core.errors import ConfigurationError, Interrupted, LookalikeError
from lookalike.core.files import read_json
from lookalike.data.base import load
from lookalike.engine import budget
from lookalike.engine.budget import FEWEST_LOOKS, LOOKED, LOOKS, Forecast, Pace, fit_budget, measure_pace
from lookalike.engine.journal import Quiet
from lookalike.engine.rehearsal import Rehearsal
from lookalike.methods.simclr import Options

PACE = Pace(step=0.05, plan=0.2, look=0.5, looked=0, image=0.001)


def fitted(left: float, pace: Pace = PACE, probes: float = 5.0, n: int = 2560, **said: object) -> tuple[dict, Forecast]:
    options = Options(batch_size=256, budget="20m", **said)  # type: ignore[arg-type]
    return fit_budget(pace, options, n, n, left, probes)


@pytest.mark.parametrize("left", [120.0, 300.0, 900.0, 1200.0])
@pytest.mark.parametrize("probes", [0.0, 30.0])
def test_all_of_it_fits_and_little_is_left(left: float, probes: float):
    changes, forecast = fitted(left, probes=probes)
    total = changes["epochs"] * forecast.epoch + forecast.looks + forecast.after
    assert left * 0.97 - forecast.epoch < total <= left
    assert changes["check_every"] == -(-changes["epochs"] // LOOKS)


@pytest.mark.parametrize("look", [0.1, 5.2, 8.0, 11.9, 60.0])
def test_looks_take_a_twentieth_of_the_budget_at_the_most(look: float):
    changes, forecast = fitted(1200, Pace(PACE.step, PACE.plan, look, 2560, PACE.image))
    count = round(forecast.looks / look) - 2  # two come before the first step
    assert count == LOOKS if look < 1 else FEWEST_LOOKS <= count < LOOKS
    assert forecast.looks <= LOOKED * 1200 or count == FEWEST_LOOKS
    every = changes["check_every"]
    assert -(-changes["epochs"] // every) <= count  # the last one, which need not be due, among them


def test_a_machine_of_half_the_speed_gets_half_the_epochs():
    fast, _ = fitted(1200)
    slow, forecast = fitted(1200, Pace(2 * PACE.step, 2 * PACE.plan, 2 * PACE.look, PACE.looked, 2 * PACE.image))
    assert abs(slow["epochs"] - fast["epochs"] / 2) < 0.05 * fast["epochs"]
    assert slow["epochs"] * forecast.epoch < 1200


def test_without_a_page_or_labels_there_is_more_time_to_train():
    assert fitted(300, report=False)[0]["epochs"] > fitted(300)[0]["epochs"]
    assert fitted(300, probes=0.0)[0]["epochs"] > fitted(300)[0]["epochs"]


def test_a_part_of_an_epoch_where_no_whole_one_fits():
    pace = Pace(step=0.05, plan=0.2, look=0.5, looked=0, image=0.0001)
    changes, forecast = fitted(100, pace, n=256_000, report=False, probes=0.0)
    assert forecast.epoch > 50
    assert changes["epochs"] == 1
    assert changes["max_steps"] * PACE.step + forecast.looks + forecast.after <= 100


def test_no_more_epochs_than_help():
    assert fitted(100_000)[0]["epochs"] == 2000


def test_too_little_time_says_how_much_would_do():
    with pytest.raises(LookalikeError, match="--budget 20m is too little: 10 s of it are left") as told:
        fitted(10)
    minutes, seconds = re.search(r"allow at least (\d+) min (\d+) s", str(told.value)).groups()
    enough = 60 * int(minutes) + int(seconds) - (20 * 60 - 10)  # of which all but 10 s are gone
    fitted(enough)
    with pytest.raises(LookalikeError):
        fitted(enough - 3)


def test_a_slow_clock_is_believed():
    """The rehearsal takes its times from the clock and from nothing else."""
    images = load("digits")
    options = tiny_options("simclr", data="digits", batch_size=256, epochs=1, image_size=16, lr=0.1, check_every=1)
    options.precision = "float32"
    backbone = api.untrained_backbone(options, images, "cpu")
    from lookalike.methods.simclr import Learner

    method = Learner(backbone.encoder, options, len(images))
    before = {name: value.clone() for name, value in method.state_dict().items()}

    ticks = iter(range(0, 10_000, 5))
    pace = measure_pace(Rehearsal(method, backbone, options, images, images.training), 20.0, lambda: float(next(ticks)))
    assert pace.plan == 5
    assert pace.step == 5 / 8  # two steps took 5 s by this clock, so that 8 were to take 20
    assert pace.look == 5
    for name, value in method.state_dict().items():
        assert (value == before[name]).all(), name


def test_epochs_are_written_down_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "run"
    monkeypatch.setattr(budget, "measure_pace", lambda *_: Pace(30.0, 30.0, 0.1, 0, 0.0001))
    images = load("digits")
    images = images.of_rows(images.training[:400])
    said = {"data": "digits", "batch_size": 64, "budget": "15m", "image_size": None, "threads": 1, "report": False}
    options = tiny_options("simclr", **said, out=str(out))
    explicit = {"batch_size", "budget", "width", "encoder"} & set(vars(options))
    signal_after(monkeypatch, 3)
    with pytest.raises(Interrupted):
        api.train("simclr", options, explicit, images=images)
    monkeypatch.undo()
    chosen, known = api.RunFolder(out).settings(), read_json(out / "run.json")["budget"]
    assert known["epoch"] == 210.0
    fitting = int((0.97 * known["left"] - known["looks"] - known["after"]) / 210.0)
    assert 1 < fitting == chosen["epochs"]
    assert chosen["budget"] == "15m"

    def never(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(budget, "measure_pace", never)
    run = api.train("simclr", options, explicit, images=images)
    assert run.settings()["epochs"] == fitting
    assert run.status()["status"] == "trained"


def test_epochs_that_were_said_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(budget, "measure_pace", lambda *_: pytest.fail("measured"))
    said = {"data": "digits", "batch_size": 256, "budget": "90s", "epochs": 1, "image_size": None, "threads": 1}
    run = api.train("simclr", tiny_options("simclr", **said, out=str(tmp_path / "run")))
    assert run.settings()["epochs"] == 1


def test_no_length_of_time():
    options = tiny_options("simclr", data="digits", budget="soon")
    with pytest.raises(ConfigurationError, match="--budget must be a length of time such as 20m"):
        api.train("simclr", options)


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]):
    Quiet().say("anything")
    assert capsys.readouterr().out == ""
