"""Stand-ins that several tests share."""

from __future__ import annotations

import os
import signal

import pytest

from lookalike.contract.stand_ins import TINY, FakeCollection, noise, tiny_options
from lookalike.encoders.base import EncoderSpec, build_encoder
from lookalike.engine.loop import Trainer
from lookalike.methods.find import find_method

__all__ = ["TINY", "FakeCollection", "noise", "signal_after", "tiny_learner", "tiny_options"]


def tiny_learner(name: str, n: int = 64, classes: int = 5, **said: object):
    """A tiny float64 learner of n images, with a norm that does not depend on the batch."""
    encoder = build_encoder(EncoderSpec("convnet", 1, 16, width=4, norm="group"), seed=0)
    return find_method(name)(encoder, tiny_options(name, **said), n, classes).double()


def signal_after(monkeypatch: pytest.MonkeyPatch, steps: int, number: int = signal.SIGTERM) -> None:
    """Let every training be sent a signal when it has made so many steps."""
    made = Trainer._step

    def stepping(self: Trainer, epoch: int, k: int) -> None:
        made(self, epoch, k)
        if self.step == steps:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(Trainer, "_step", stepping)
