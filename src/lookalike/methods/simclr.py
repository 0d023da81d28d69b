"""SimCLR (Chen, Kornblith, Norouzi, Hinton 2020; here section 2 and Algorithm 1).

Two views of each image, a projection head, NT-Xent: find the other view among all rows of the batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from lookalike.core.plan import Plan
from lookalike.core.ranks import ALONE, Ranks
from lookalike.methods.base import Collection, Method, itself, shuffle
from lookalike.methods.projector import ProjectorOptions, projector
from lookalike.objectives.nt_xent import nt_xent


@dataclass(kw_only=True)
class Options(ProjectorOptions):
    """Contrastive learning: find the other view of an image among all images of the batch."""

    temperature: float = 0.2
    """tau of the NT-Xent loss."""

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if not self.temperature > 0:
            yield f"--temperature must be positive, got {self.temperature}"


class Learner(Method):
    """SimCLR as the engine sees it."""

    options: Options

    def __init__(self, encoder: nn.Module, options: Options, n: int, classes: int = 0, ranks: Ranks = ALONE) -> None:
        super().__init__(encoder, options, n, classes, ranks)
        self.head = projector(encoder, options)

    def plan(self, epoch: int, data: Collection) -> Plan:
        return Plan(shuffle(self.options.seed, epoch, data.n), itself(data.n))

    def embed(self, x_RCHW: Tensor) -> Tensor:
        return self.head(self.encoder(x_RCHW))

    def loss(self, z_BVP: Tensor, targets_BH: Tensor) -> Tensor:
        ids_R = targets_BH[:, 0].repeat_interleave(z_BVP.shape[1])
        return nt_xent(z_BVP.flatten(0, 1), ids_R, self.options.temperature, ranks=self.ranks)

    def chance_loss(self, batch_size: int) -> float:
        """ln(2N - 1): every row equally like every other."""
        return math.log(self.views * batch_size - 1)
