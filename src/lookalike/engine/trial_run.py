"""Training on trial: a trainer of copies, without observers, so that nothing is said and nothing written."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable

from torch import Tensor

from lookalike.core.options import TrainOptions
from lookalike.core.progress import Phase, phase
from lookalike.data.base import Images
from lookalike.engine.events import Observer, StepEnd
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.engine.loop import Trainer
from lookalike.methods.base import Method


class TrialRun:
    """A training that leaves the method and its encoder as they are."""

    def __init__(
        self, method: Method, backbone: FeatureExtractor, options: TrainOptions, images: Images, rows: Tensor
    ) -> None:
        twin = copy.deepcopy(method)
        self.trainer = Trainer(twin, dataclasses.replace(backbone, encoder=twin.encoder), options, images, rows)

    @property
    def method(self) -> Method:
        """The copy that is trained."""
        return self.trainer.method

    @property
    def backbone(self) -> FeatureExtractor:
        """Its network."""
        return self.trainer.backbone

    def run_silently(self, between: Callable[[], None] = lambda: None) -> None:
        """The whole training that the options ask for, without a look; `between` is called after each step."""
        with phase("training on trial", self.trainer.pacing.total) as p:
            self.trainer.observers = (_Between(between, p),)
            self.trainer.fit()


class _Between(Observer):
    """Counts steps, and calls a function after each."""

    def __init__(self, between: Callable[[], None], steps: Phase) -> None:
        self.between, self.steps = between, steps

    def on_step_end(self, end: StepEnd) -> bool:
        self.between()
        self.steps.step()
        return False
