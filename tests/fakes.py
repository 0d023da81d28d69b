"""Stand-ins that several tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection
from typing import TypeVar

import pytest
from torch import Tensor

from lookalike import api
from lookalike.contract.stand_ins import TINY, FakeCollection, noise, tiny_options
from lookalike.core.config import Config
from lookalike.core.options import TrainOptions
from lookalike.data.base import Images
from lookalike.encoders.base import EncoderSpec, build_encoder
from lookalike.engine.events import Observer, StepEnd
from lookalike.engine.loop import Trainer
from lookalike.methods.find import find_method

O = TypeVar("O", bound=TrainOptions)  # noqa: E741  # O as in options

__all__ = [
    "TINY",
    "FakeCollection",
    "Killed",
    "after_steps",
    "at_step",
    "configured",
    "killed_after",
    "noise",
    "signal_after",
    "tiny_learner",
    "tiny_options",
]


def configured(options: O, method: str, said: Collection[str], images: Images, rows: Tensor) -> O:
    """Options with every value that a run needs."""
    return api.configure(Config.asked(method, options, said), images, rows).options


def tiny_learner(name: str, n: int = 64, classes: int = 5, **said: object):
    """A tiny float64 learner of n images, with a norm that does not depend on the batch."""
    encoder = build_encoder(EncoderSpec("convnet", 1, 16, width=4, norm="group"), seed=0)
    return find_method(name)(encoder, tiny_options(name, **said), n, classes).double()


class AfterSteps(Observer):
    """Does something after each step, before what the run does then."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def on_step_end(self, end: StepEnd) -> bool:
        self.act()
        return False


def after_steps(monkeypatch: pytest.MonkeyPatch, act: Callable[[Trainer], object]) -> None:
    """Let every training call `act` with its trainer after each step."""
    fit = Trainer.fit

    def observed(self: Trainer, resumed: bool = False) -> None:
        self.observers = (AfterSteps(lambda: act(self)), *self.observers)
        fit(self, resumed)

    monkeypatch.setattr(Trainer, "fit", observed)


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[Trainer], object]) -> None:
    """Let every training call `act` with its trainer when it has made so many steps."""
    after_steps(monkeypatch, lambda trainer: act(trainer) if trainer.step == step else None)


def signal_after(monkeypatch: pytest.MonkeyPatch, steps: int, number: int = signal.SIGTERM) -> None:
    """Let every training be sent a signal when it has made so many steps."""
    at_step(monkeypatch, steps, lambda trainer: os.kill(os.getpid(), number))


class Killed(BaseException):
    """Stands for SIGKILL inside the process: nothing may catch it and tidy up."""


def killed_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Let every training be killed when it has made so many steps."""

    def die(trainer: Trainer) -> None:
        raise Killed

    at_step(monkeypatch, steps, die)
