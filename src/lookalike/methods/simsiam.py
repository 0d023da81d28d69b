"""SimSiam (Chen, He 2021, "Exploring simple Siamese representation learning"; here section 3 and Algorithm 1).

Two views go through one network; the prediction p of one approaches the projection z of the other, through which no
gradient goes. That stop is what keeps all images from becoming one:

    L = D(p1, stopgrad(z2)) / 2 + D(p2, stopgrad(z1)) / 2,      D(p, z) = -cos(p, z)                 (equations 1 to 4)

The projector has three layers with BatchNorm on each, the last one without weights of its own; the predictor is a
bottleneck of a quarter of the width, whose rate is constant (section 4.1, appendix B).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from lookalike.core.comm import SINGLE, Comm
from lookalike.encoders.heads import projection_head
from lookalike.methods.base import Method
from lookalike.methods.projector import ProjectorOptions, projector


class Outputs(NamedTuple):
    """Predictions and projections, each [R, P]; the projections are detached."""

    p: Tensor
    z: Tensor


class SimSiam(Method):
    """Predict the projection of the other view, through which no gradient goes."""

    title = "SimSiam"
    views_together = False  # as published: BatchNorm sees one view at a time
    errors_left = 0.9  # three quarters of them are left after so few steps

    @dataclass(kw_only=True)
    class Options(ProjectorOptions):
        """Predict the projection of another view of the image, taken as given; no negatives and no second network."""

        head_depth: int = 3
        """Linear layers of the projection head."""

    options: Options

    def setup(self) -> None:
        o = self.options
        norm = o.head_norm and o.norm == "batch"
        self.head = projector(self.encoder, o)
        if norm:
            self.head[-1].register_parameter("bias", None)  # the norm would take it away
            self.head.append(nn.BatchNorm1d(o.head_size, affine=False))
        width = max(1, o.head_size // 4)
        self.predictor = projection_head(
            o.head_size, depth=2, width=width, out_features=o.head_size, norm=norm, seed=o.seed + 1
        )

    def forward(self, x_RCHW: Tensor) -> Outputs:
        z_RP = self.head(self.encoder(x_RCHW))
        return Outputs(self.predictor(z_RP), z_RP.detach())

    def loss(self, out: Outputs, targets_BH: Tensor, comm: Comm = SINGLE) -> Tensor:
        return comm.share(-F.cosine_similarity(out.p, out.z.flip(1), dim=-1).mean())

    def param_groups(self) -> dict[str, dict[str, float]]:
        return {"predictor.": {"constant": True}}
