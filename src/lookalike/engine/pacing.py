"""How far a training is at each step, by steps or by the clock; the learning rate follows it.

*Progress* is 0 before the first step and 1 after the last. Where a run has a number of steps, it grows evenly. Where it
has a time, nobody knows beforehand how many steps fit, and a machine may become slower or faster under way. Then every
few seconds a *leg* begins: from this step on, progress grows by so much a step, so that it will be 1 when the time is
up, by what steps have taken lately. The legs are all that the clock decides. A run that is given the legs of another
one looks at no clock and makes the same steps at the same rates.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

from lookalike.core.budget import Clock, now
from lookalike.core.comm import Comm
from lookalike.core.options import TrainOptions
from lookalike.optim.schedules import cosine, warmup_cosine, warmup_steps

O = TypeVar("O", bound=TrainOptions)  # noqa: E741  # O as in options

CLOCK = "clock"
"""In place of legs: they are found by the clock."""

_WARM = 0.1  # of the progress, that a warm-up takes at the most
_OFTEN, _SHORTEST, _LONGEST = 0.01, 1.0, 10.0  # a leg lasts a hundredth of the training; seconds at least and at most
_REMEMBERED = 6  # legs whose steps tell the pace
_ANNEALED = 0.97  # progress from which a training may end without a last leg
_LAST = 0.02  # of the training's time, that a last leg may take beyond it
_SLOWER = 4.0  # times as long as ever before may a step of it take, for all that is known
_FEWEST = 8  # steps that a training makes even where no time is left for it


@dataclass(frozen=True)
class Leg:
    """From `step` on progress is `progress`, and `growth` more after each step."""

    step: int
    progress: float
    growth: float


@dataclass(frozen=True)
class Decision:
    """What the clock decided before a step."""

    leg: Leg | None
    """The leg that begins with it; None where the training is over."""
    final: bool
    """Whether no leg follows, whatever the clock says then."""


def spoken_legs(legs: list[Leg]) -> str:
    """As config.toml has them: STEP:PROGRESS:GROWTH, with a blank between two, to the last bit."""
    return " ".join(f"{leg.step}:{leg.progress!r}:{leg.growth!r}" for leg in legs)


def read_legs(text: str) -> list[Leg]:
    """Legs from their text.

    Raises:
        ValueError: it is no such text.
    """
    legs: list[Leg] = []
    with suppress(ValueError):
        for part in text.split():
            step, progress, growth = part.split(":")
            legs.append(Leg(int(step), float(progress), float(growth)))
    ordered = all(a.step < b.step and a.progress <= b.progress for a, b in pairwise(legs))
    fits = all(0 <= leg.progress <= 1 and leg.growth >= 0 and math.isfinite(leg.growth) for leg in legs)
    if not legs or len(legs) < len(text.split()) or legs[0].step or not ordered or not fits:
        raise ValueError(f"{text!r} is no schedule of STEP:PROGRESS:GROWTH, from step 0 on, that only grows")
    return legs


class Evenly:
    """So many steps, each as far as the others."""

    timed = False

    def __init__(self, total: int, warmup: int) -> None:
        """`warmup` steps of them, a tenth at the most, warm up."""
        self.total, self.warmup = total, min(warmup, total // 10)

    def rate(self, step: int, peak: float) -> float:
        """The learning rate of step 0, 1, ..."""
        return warmup_cosine(step, peak, self.warmup, self.total)

    def progress(self, step: int) -> float:
        """How far the training is before a step."""
        return min(1.0, step / max(1, self.total))

    def state(self) -> list[Leg]:
        """Legs, for config.toml."""
        return []

    def checkpoint_state(self) -> list[tuple[int, float, float]]:
        """The same as plain values, for a checkpoint."""
        return [(leg.step, leg.progress, leg.growth) for leg in self.state()]

    def restore(self, legs: list[tuple[int, float, float]]) -> None:
        """Go back to what a checkpoint holds."""

    def start(self, step: int, seconds: float) -> None:
        """Steps begin after so many of them, which took so many seconds of training."""

    def keep(self, step: int, ahead: float, comm: Comm) -> None:
        """Called after each step; all processes do as the first one's clock says, where one decides."""

    def left(self, step: int, step_seconds: float) -> float:
        """Seconds of training that are left, where a step takes so many."""
        return (self.total - step) * step_seconds

    def length(self) -> float:
        """Seconds of the whole training, as far as they are known."""
        return math.inf


class ByLegs(Evenly):
    """Progress by legs that are known."""

    def __init__(self, legs: list[Leg], total: int, warmup: int) -> None:
        """`warmup` is in steps, as of a run whose number of steps is known."""
        self.legs, self.total, self.warmup = legs, total, warmup

    def _leg(self, step: int) -> Leg:
        """The leg that a step is in; it is one of the newest but for tests."""
        return next(leg for leg in reversed(self.legs) if leg.step <= step)

    def progress(self, step: int) -> float:
        leg = self._leg(step)
        return min(1.0, leg.progress + (step - leg.step) * leg.growth)

    def rate(self, step: int, peak: float) -> float:
        growth = self._leg(step).growth or math.inf  # nothing is known before the first step
        return cosine(self.progress(step), peak, min(_WARM, self.warmup * growth) if self.warmup else 0.0)

    def state(self) -> list[Leg]:
        return self.legs


class ByClock(ByLegs):
    """Progress by the clock: `observe` after every step finds the legs, and when the training is over."""

    timed = True

    def __init__(self, room: Callable[[], float], warmup: int, clock: Clock = now) -> None:
        """`room()`: seconds that are left for the training, by all that is known then. `warmup` is in steps."""
        super().__init__([Leg(0, 0.0, 0.0)], _FEWEST, warmup)
        self.room, self.clock, self.before = room, clock, 0.0
        self.begun = self.looked = clock()
        self.last: int | None = None  # the step after which the training is over, once that is known
        self._marks: deque[tuple[float, int]] = deque([(self.begun, 0)], maxlen=_REMEMBERED)
        self.step_seconds = 0.0
        """Of a step lately, with all that comes between steps; 0 where none was made."""
        self.fastest = math.inf
        """The shortest that this was."""

    def begin(self, step: int, legs: list[Leg], before: float = 0.0) -> None:
        """Go on after so many steps with the legs of an earlier start, which has trained `before` seconds."""
        self.before = before
        self.legs = [leg for leg in legs if leg.step <= step] or [Leg(0, 0.0, 0.0)]
        self.begun = self.looked = self.clock()
        self._marks.clear()
        self._marks.append((self.begun, step))
        self.total = step + _FEWEST  # until something is known

    def restore(self, legs: list[tuple[int, float, float]]) -> None:
        self.legs = [Leg(*leg) for leg in legs]

    def start(self, step: int, seconds: float) -> None:
        self.begin(step, self.legs, seconds)

    def keep(self, step: int, ahead: float, comm: Comm) -> None:
        if comm.objects(self.due(step, ahead))[0]:
            decided = self.decide(step, ahead) if comm.first else None
            decision = comm.objects(decided)[0]
            assert decision is not None
            self.follow(step, decision)

    def left(self, step: int, step_seconds: float) -> float:
        return max(0.0, self.room())

    def due(self, step: int, ahead: float = 0.0) -> bool:
        """Whether to `decide` before this step; `ahead` is as there."""
        if self.last is not None:
            return False
        since = self.clock() - self.looked
        return (
            since >= max(_SHORTEST, min(_LONGEST, _OFTEN * self.length()))
            or self.step_seconds == 0
            or step >= self.total
            or (ahead > self.step_seconds and ahead > self.room())
        )

    def length(self) -> float:
        return self.before + self.clock() - self.begun + max(0.0, self.room())

    def decide(self, step: int, ahead: float = 0.0) -> Decision:
        """How it goes on from this step; `ahead` are seconds that pass before it can be made."""
        at, left = self.clock(), self.room() - ahead
        then, steps = self._marks[0]
        if step > steps:
            self.step_seconds = (at - then) / (step - steps)
            self.fastest = min(self.fastest, self.step_seconds)
        progress, seconds = self.progress(step), max(self.step_seconds, 1e-6)
        count = int(left / seconds + 0.5)
        final = count < 1
        if final:
            if step >= _FEWEST and progress >= _ANNEALED:
                return Decision(None, True)
            seconds = min(seconds, _SLOWER * self.fastest)  # a machine that has slept is no slower for it
            count = int((_LAST * (self.before + at - self.begun) - ahead) / seconds)
            if max(count, _FEWEST - step) < 1:
                return Decision(None, True)
        count = max(count, _FEWEST - step)
        return Decision(Leg(step, progress, (1.0 - progress) / count), final)

    def follow(self, step: int, decision: Decision) -> None:
        """Do as was decided, by this process or by the first of several."""
        self.looked = self.clock()
        self._marks.append((self.looked, step))
        leg = decision.leg
        if leg is None:
            self.last = self.total = step
            return
        if self.legs[-1].step == step:
            self.legs.pop()
        self.legs.append(leg)
        self.total = step + (max(1, round((1.0 - leg.progress) / leg.growth)) if leg.growth else 1)
        self.last = self.total if decision.final else None

    def slowness(self) -> float:
        """How much longer a step takes now than when the machine was at its fastest; at least 1."""
        return max(1.0, self.step_seconds / self.fastest) if math.isfinite(self.fastest) else 1.0


def pacing_of(options: TrainOptions, n: int, batches: int) -> Evenly:
    """The pacing by steps of a training of n images, in so many batches an epoch; `pacing_in` is the clock's."""
    warmup, total = warmup_steps(n, options.batch_size, options.warmup), options.epochs * batches
    if options.max_steps is not None:
        total = min(total, options.max_steps)
    return ByLegs(read_legs(options.schedule), total, warmup) if options.schedule else Evenly(total, warmup)


def repeatable(options: O, pacing: Evenly, batches: int) -> O:
    """Options with what the clock has decided in place of the time; an epoch has so many batches."""
    epochs = max(1, -(-pacing.total // batches))
    every = max(1, round(epochs / 10))  # as where epochs are said
    legs = spoken_legs(pacing.state())
    return replace(options, epochs=epochs, max_steps=pacing.total, schedule=legs, check_every=every)
