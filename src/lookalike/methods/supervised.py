"""Supervised training with cross-entropy: the row that every table of the others needs.

The same encoder, views and schedule, and labels. Where the data has no split, the images that
evaluation holds out are left out of training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from lookalike.core.comm import SINGLE, Comm
from lookalike.core.options import TrainOptions
from lookalike.core.plan import Plan
from lookalike.encoders.heads import projection_head, rectified
from lookalike.methods.base import Collection, Method, View, shuffle
from lookalike.objectives.cross_entropy import cross_entropy


@dataclass(kw_only=True)
class SupervisedOptions(TrainOptions):
    """Training with labels, to compare with."""

    label_smoothing: float = 0.0
    """Share of each label that is spread over all classes."""
    label_fraction: float | None = None
    """Share of the labels to learn from, drawn class by class with the seed, one of each at least; default: all."""
    more_labels: str | None = None
    """CSV file (path,label) of labels to learn from besides, of images whose own are not; lookalike label writes it."""

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if self.epochs == 0:
            yield "--epochs 0 trains no classifier; for weights as they are, take simclr"
        if not 0 <= self.label_smoothing < 1:
            yield f"--label-smoothing must be in [0, 1), got {self.label_smoothing}"
        if self.label_fraction is not None and not 0 < self.label_fraction <= 1:
            yield f"--label-fraction must be in (0, 1], got {self.label_fraction}"


class Supervised(Method):
    """A linear classifier on the encoder, trained together with it."""

    title = "supervised training"
    Options = SupervisedOptions
    options: SupervisedOptions
    views = (View(),)
    needs_labels = True
    presets = {
        "mnist": {"epochs": 10, "batch_size": 256},
        "small-images": {"epochs": 24, "weight_decay": 5e-4},
    }

    def setup(self) -> None:
        self.head = projection_head(
            self.encoder.out_features,  # type: ignore[arg-type]  # an int on every encoder
            depth=1,
            width=None,
            out_features=self.classes,
            norm=False,
            seed=self.options.seed,
        )

    def plan(self, epoch: int, data: Collection) -> Plan:
        assert data.labels_N is not None
        return Plan(shuffle(self.options.seed, epoch, data.n), data.labels_N[:, None])

    def forward(self, x_RCHW: Tensor) -> Tensor:
        return self.head(rectified(self.encoder, x_RCHW))

    def loss(self, z_BVP: Tensor, targets_BH: Tensor, comm: Comm = SINGLE) -> Tensor:
        return cross_entropy(z_BVP[:, :, None], targets_BH, self.options.label_smoothing, comm)

    def chance_loss(self, batch_size: int) -> float:
        """ln(classes): every class equally likely."""
        return math.log(self.classes)


Learner = Supervised  # earlier names
Options = SupervisedOptions
