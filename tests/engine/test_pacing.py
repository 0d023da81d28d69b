"""The schedule follows the clock: with made clocks, of machines that are steady, become slower or faster, or sleep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from lookalike.core.budget import Budget
from lookalike.engine.pacing import ByClock, ByLegs, Evenly, Leg, read_legs, spoken_legs
from lookalike.optim.schedules import warmup_cosine

PEAK = 0.5


@dataclass
class Machine:
    """A clock, and steps that take what `step` says of the moment."""

    step: Callable[[float], float]
    at: float = 100.0  # no clock begins at 0
    begun: float = 100.0

    def clock(self) -> float:
        return self.at

    @property
    def since(self) -> float:
        return self.at - self.begun


@dataclass
class Trained:
    steps: int
    seconds: float
    progress: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    pacing: ByClock | None = None


def train(
    machine: Machine, seconds: float, batches: int = 1000, plan: float = 0.0, begin: tuple[int, list[Leg]] = (0, [])
) -> Trained:
    """As the loop does it: steps, and a plan before each epoch of so many batches."""
    end = machine.at + seconds
    pacing = ByClock(lambda: end - machine.at, 20, machine.clock)
    pacing.begin(begin[0], begin[1])
    done, found = begin[0], Trained(0, 0.0, pacing=pacing)
    while done < pacing.total:
        if done % batches == 0:
            machine.at += plan
        found.progress.append(pacing.progress(done))
        found.rates.append(pacing.rate(done, PEAK))
        machine.at += machine.step(machine.since)
        done += 1
        ahead = plan if done % batches == 0 else 0.0
        if pacing.due(done, ahead):
            pacing.follow(done, pacing.decide(done, ahead))
    found.steps, found.seconds = done, machine.since
    return found


SPEEDS = {
    "steady": lambda since: 0.1,
    "slow steps": lambda since: 4.0,
    "half as fast from the middle on": lambda since: 0.1 if since < 150 else 0.2,
    "half as fast from the last tenth on": lambda since: 0.1 if since < 270 else 0.2,
    "twice as fast from the middle on": lambda since: 0.2 if since < 150 else 0.1,
    "ten times as fast after a minute": lambda since: 1.0 if since < 60 else 0.1,
    "swings": lambda since: 0.1 + 0.1 * (int(since / 20) % 2),
}


@pytest.mark.parametrize("speed", SPEEDS)
def test_it_ends_annealed_when_the_time_is_up(speed: str):
    found = train(Machine(SPEEDS[speed]), 300.0)
    longest = 4.0 if speed == "slow steps" else 0.2
    assert 300 * 0.98 - longest <= found.seconds <= 300 * 1.03 + longest
    assert found.progress[-1] > 0.9
    assert found.rates[-1] < 0.03 * PEAK
    assert max(found.rates) > 0.95 * PEAK
    assert all(a <= b for a, b in zip(found.progress, found.progress[1:], strict=False))


@pytest.mark.parametrize("speed", SPEEDS)
def test_progress_is_the_share_of_the_time_that_is_used(speed: str):
    shares: list[float] = []

    def step(since: float) -> float:
        shares.append(since / 300)
        return SPEEDS[speed](since)

    found = train(Machine(step), 300.0)
    apart = [abs(share - progress) for share, progress in zip(shares, found.progress, strict=True)]
    assert sum(apart) / len(apart) < 0.07


def test_a_machine_that_sleeps_ends_soon_after_with_a_short_last_leg():
    def step(since: float) -> float:
        return 3600.0 if 149 < since < 149.2 else 0.1

    found = train(Machine(step), 300.0)
    assert found.seconds < 3600 + 150 + 0.03 * (3600 + 150)
    assert found.rates[-1] < 0.05 * PEAK


@pytest.mark.parametrize("seconds", [0.0, -5.0, 0.05, 1.0])
def test_however_little_time_there_is_a_few_steps_are_made(seconds: float):
    found = train(Machine(lambda since: 0.5), seconds)
    assert found.steps == 8
    assert found.rates[-1] < 0.2 * PEAK


def test_no_epoch_begins_whose_plan_does_not_fit():
    found = train(Machine(lambda since: 0.1), 100.0, batches=100, plan=40.0)
    assert found.steps == 200  # two plans and two epochs are 100 s; a third plan would be late
    assert found.seconds <= 103


def test_its_legs_give_the_same_rates_to_the_bit_without_a_clock():
    found = train(Machine(SPEEDS["swings"]), 300.0)
    assert found.pacing is not None
    again = ByLegs(read_legs(spoken_legs(found.pacing.legs)), found.steps, 20)
    assert [again.rate(step, PEAK) for step in range(found.steps)] == found.rates
    assert len(found.pacing.legs) < 130


def test_a_run_that_was_killed_goes_on_with_its_legs():
    first = train(Machine(lambda since: 0.1), 300.0)
    assert first.pacing is not None
    second = train(Machine(lambda since: 0.1), 150.0, begin=(1500, first.pacing.legs))
    assert second.progress[0] == first.progress[1500]
    assert abs(second.steps - 3000) < 60
    assert second.rates[-1] < 0.01 * PEAK


def test_a_number_of_steps_is_what_it_was():
    pacing = Evenly(200, 50)
    assert [pacing.rate(step, PEAK) for step in range(200)] == [
        warmup_cosine(step, PEAK, 20, 200) for step in range(200)
    ]
    assert pacing.progress(50) == 0.25


@pytest.mark.parametrize(
    "text", ["", "x", "0:0", "1:0:0.1", "0:0:0.1 5:0.5:-1", "0:0:0.1 3:1.5:0", "0:0.5:0 3:0.2:0", "0:0:nan"]
)
def test_what_is_no_schedule(text: str):
    with pytest.raises(ValueError):
        read_legs(text)


def test_a_budget_counts_what_earlier_starts_have_used():
    machine = Machine(lambda since: 0.0)
    budget = Budget.from_text("5m", machine.at, machine.clock)
    machine.at += 60
    assert (budget.used(), budget.left()) == (60, 240)
    budget.before = 100
    assert (budget.used(), budget.left()) == (160, 140)
    assert budget.share(0.1) == 30
    assert budget.share(0.1, most=20) == 20
    machine.at += 130
    assert budget.share(0.1) == 5
    machine.at += 1000
    assert budget.share(0.1) == 0
