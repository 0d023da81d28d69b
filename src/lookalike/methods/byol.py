"""BYOL (Grill, Strub, Altche, Tallec, Richemond, Buchatskaya, Doersch, Pires, Guo, Azar, Piot, Kavukcuoglu, Munos,
Valko 2020, "Bootstrap your own latent").

An online network predicts what a target network says of the other view; the target follows it slowly. With the
prediction q(z), the target's projection z', and both at length 1:

    L = |q(z) - z'|^2 = 2 - 2 cos(q(z), z'),   both ways, averaged over images                          (equation 2)
    xi <- tau xi + (1 - tau) theta,   tau = 1 - (1 - tau_base) (cos(pi k / K) + 1) / 2     (equation 1, section 3.2)

Views are made by T and T' (appendix B, table 6). Other than the paper's: optimisers, schedule of the rate and sizes of
networks are ours, and grey signs have the views that are usual for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from lookalike.core.comm import SINGLE, Comm
from lookalike.encoders.heads import projection_head
from lookalike.methods.base import Method, Step, View
from lookalike.methods.momentum import Momentum, cosine
from lookalike.methods.projector import ProjectorOptions, projector


class Outputs(NamedTuple):
    """Predictions of the online network and projections of the target, each [R, P]."""

    q: Tensor
    target: Tensor


class BYOL(Method):
    """Predict what a slowly moving copy says of the other view; nothing is pushed away."""

    title = "BYOL"
    views = (View("byol-1"), View("byol-2"))
    views_together = False  # as published: BatchNorm sees one view at a time
    # a target of momentum 0.9, at twice the rate, left features of the digits worse than untrained after 280 steps
    presets = {"*": {"lr": 0.2}, "digits": {"augment": "digits"}, "mnist": {"augment": "digits"}}
    errors_left = 1.0  # 0.9 of them are left after so few steps

    @dataclass(kw_only=True)
    class Options(ProjectorOptions):
        """Predict what a slowly moving copy of the network says of another view of the image; no negatives."""

        target_momentum: float = 0.99
        """tau_base: how much of the target stays in the first step; it rises to 1 along half a cosine."""
        predictor_width: int | None = None
        """Width of the predictor's hidden layer; default: that of the projection head, else the prediction's."""

        def problems(self) -> Iterator[str]:
            yield from super().problems()
            if not 0 <= self.target_momentum <= 1:
                yield f"--target-momentum must be in [0, 1], got {self.target_momentum}"

    options: Options

    def setup(self) -> None:
        o = self.options
        self.head = projector(self.encoder, o)
        self.target = Momentum(self.encoder, self.head)
        width, norm = o.predictor_width or o.head_width, o.head_norm and o.norm == "batch"
        self.predictor = projection_head(
            o.head_size, depth=2, width=width, out_features=o.head_size, norm=norm, seed=o.seed + 1
        )

    def forward(self, x_RCHW: Tensor) -> Outputs:
        return Outputs(self.predictor(self.head(self.encoder(x_RCHW))), self.target(x_RCHW))

    def loss(self, out: Outputs, targets_BH: Tensor, comm: Comm = SINGLE) -> Tensor:
        cosine_BV = F.cosine_similarity(out.q, out.target.flip(1), dim=-1)  # of each view with the other
        return comm.share((2 - 2 * cosine_BV).sum(1).mean())

    def on_step_end(self, step: Step) -> None:
        self.target.update(cosine(self.options.target_momentum, 1.0, step.fraction))
