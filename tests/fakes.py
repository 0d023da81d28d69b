"""Stand-ins that several tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lookalike.core import registry
from lookalike.encoders.base import EncoderSpec, build_encoder
from lookalike.engine.loop import Trainer

TINY = {"norm": "group", "width": 4, "image_size": 16, "n_clusters": 6, "head_size": 16}
"""Options of a tiny learner, where its method has them."""


def tiny_options(name: str, **said: object):
    """Options of a method, small where nothing else is said."""
    kind = registry.find("methods", name, "method").Options
    return kind(**{key: value for key, value in {**TINY, **said}.items() if key in kind.__dataclass_fields__})


def tiny_learner(name: str, n: int = 64, classes: int = 5, **said: object):
    """A tiny float64 learner of n images, with a norm that does not depend on the batch."""
    encoder = build_encoder(EncoderSpec("convnet", 1, 16, width=4, norm="group"), seed=0)
    module = registry.find("methods", name, "method")
    return module.Learner(encoder, tiny_options(name, **said), n, classes).double()


class FakeCollection:
    """A `Collection` of noise images, whose views are other noise; `calls` tells what was asked of it."""

    def __init__(self, learner: nn.Module, n: int = 64, classes: int = 5) -> None:
        self.learner, self.n = learner, n
        self.x_NCHW = noise(n, seed=0)
        self.labels_N = torch.arange(n) % classes if learner.needs_labels else None
        self.calls: list[tuple] = []

    @torch.no_grad()
    def outputs(self, forward: Callable[[Tensor], Tensor]) -> Tensor:
        self.calls.append(("outputs", forward))
        self.learner.eval()
        found = forward(self.x_NCHW).float()
        self.learner.train()
        return found

    @torch.no_grad()
    def view_outputs(self, forward: Callable[[Tensor], Tensor], epoch: int, view: int) -> Tensor:
        self.calls.append(("view_outputs", forward, epoch, view))
        return forward(self.x_NCHW + 0.1 * noise(self.n, seed=1000 + 10 * epoch + view)).float()


def noise(n: int, seed: int) -> Tensor:
    """Images [n, 1, 16, 16] of uniform noise."""
    return torch.rand(n, 1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def signal_after(monkeypatch: pytest.MonkeyPatch, steps: int, number: int = signal.SIGTERM) -> None:
    """Let every training be sent a signal when it has made so many steps."""
    made = Trainer._step

    def stepping(self: Trainer, epoch: int, k: int) -> None:
        made(self, epoch, k)
        if self.step == steps:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(Trainer, "_step", stepping)
