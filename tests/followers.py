"""A method with all that the contract offers: named outputs, views of several kinds, a momentum copy, a joint loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lookalike.core.comm import SINGLE, Comm
from lookalike.encoders.base import EncoderSpec, build_encoder, seeded
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.methods.base import Method, Step, View
from lookalike.methods.momentum import Momentum, cosine
from lookalike.methods.projector import ProjectorOptions, projector


class Outputs(NamedTuple):
    """What crosses the cut."""

    z: Tensor
    target: Tensor


class Follower(Method):
    """Approaches what a momentum copy says, and keeps its projections' variance up over the whole batch."""

    title = "Follower"
    views = (View("crop"), View("crop-flip"), View("crop", count=2, size=12, area=(0.1, 0.3)))

    @dataclass(kw_only=True)
    class Options(ProjectorOptions):
        """Follow a momentum copy."""

        target_momentum: float = 0.9
        """Of the copy, at the start."""

    options: Options

    def setup(self) -> None:
        self.head = projector(self.encoder, self.options)
        self.target = Momentum(self.encoder, self.head)
        with seeded(self.options.seed, "predictor"):
            self.predictor = nn.Linear(self.options.head_size, self.options.head_size)

    def forward(self, x_RCHW: Tensor) -> Outputs:
        return Outputs(self.predictor(self.head(self.encoder(x_RCHW))), self.target(x_RCHW))

    def loss(self, out: Outputs, targets_BH: Tensor, comm: Comm = SINGLE) -> Tensor:
        near = (out.z - out.target.flip(1)).square().mean()  # over this process's own images
        z_RP = out.z.flatten(0, 1)
        count = len(z_RP) * comm.size
        mean_P = comm.all_reduce(z_RP.sum(0)) / count
        variance_P = comm.all_reduce((z_RP - mean_P).square().sum(0)) / (count - 1)
        spread = (1 - (variance_P + 1e-4).sqrt()).clamp_min(0).mean()  # the same for all processes
        every_RP = comm.all_gather(z_RP)
        return comm.share(near + spread + every_RP.square().mean())

    def on_step_end(self, step: Step) -> None:
        self.target.update(cosine(self.options.target_momentum, 1.0, step.fraction))


def follower(
    n: int = 12, norm: str = "group", comm: Comm = SINGLE, **said: object
) -> tuple[Follower, FeatureExtractor]:
    """A tiny one in float64, with a network whose norm does not look at the batch."""
    spec = EncoderSpec("convnet", channels=1, image_size=16, width=4, norm=norm)
    of = FeatureExtractor(build_encoder(spec, 0).double(), spec, (0.5,), (0.25,), "float64")
    options = Follower.Options(width=4, head_size=16, norm=norm, image_size=16, **said)
    method = Follower(of.encoder, options, n, 0, comm).double()
    with torch.no_grad():  # so that its gradients are not those of a copy that says the same
        for p in method.target.parameters():
            p.mul_(1.1)
    return method.train(), of
