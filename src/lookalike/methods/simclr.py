"""SimCLR (Chen, Kornblith, Norouzi, Hinton 2020; here section 2 and Algorithm 1).

Two views of each image, a projection head, NT-Xent: find the other view among all rows of the batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from lookalike.core import own_code
from lookalike.core.comm import SINGLE, Comm
from lookalike.methods.base import Method
from lookalike.methods.projector import ProjectorOptions, projector
from lookalike.objectives.nt_xent import nt_xent


@dataclass(kw_only=True)
class SimCLROptions(ProjectorOptions):
    """Contrastive learning: find the other view of an image among all images of the batch."""

    temperature: float = 0.2
    """tau of the NT-Xent loss."""
    loss: str | None = None
    """A loss of yours, of z_RP and ids_R: FILE.py:FUNCTION or python:MODULE:FUNCTION; default: NT-Xent."""

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if not self.temperature > 0:
            yield f"--temperature must be positive, got {self.temperature}"


class SimCLR(Method):
    """SimCLR as the engine sees it."""

    title = "SimCLR"
    Options = SimCLROptions
    options: SimCLROptions
    demo_order = 1
    presets = {
        "digits": {"temperature": 0.5},  # at 0.2 negatives of a class are pushed away harder: clusters come out worse
        "mnist": {"temperature": 0.2, "head_width": 256},
        "photos": {"view_scale": 0.75, "temperature": 0.2, "head_width": 512},
        "small-images": {"epochs": 14, "view_scale": 0.75, "temperature": 0.2, "head_width": 512},
    }

    def setup(self) -> None:
        self.head = projector(self.encoder, self.options)
        self.own_loss = None if self.options.loss is None else own_code.find(self.options.loss)

    def forward(self, x_RCHW: Tensor) -> Tensor:
        return self.head(self.encoder(x_RCHW))

    def loss(self, z_BVP: Tensor, targets_BH: Tensor, comm: Comm = SINGLE) -> Tensor:
        ids_R = targets_BH[:, 0].repeat_interleave(z_BVP.shape[1])
        if self.own_loss is not None:  # sees the rows of all processes, so that it need not know of them
            return comm.share(self.own_loss(comm.all_gather(z_BVP.flatten(0, 1)), comm.gather(ids_R)))
        return nt_xent(z_BVP.flatten(0, 1), ids_R, self.options.temperature, comm=comm)

    def chance_loss(self, batch_size: int) -> float | None:
        """ln(2N - 1): every row equally like every other; of a loss of somebody's own nobody knows."""
        return None if self.own_loss is not None else math.log(self.num_views * batch_size - 1)


Learner = SimCLR  # earlier names
Options = SimCLROptions
