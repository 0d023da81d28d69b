"""DeepCluster-v2 (Caron, Misra, Mairal, Goyal, Bojanowski, Joulin 2020, SwAV, appendix D).

Clusters are found by spherical k-means on the projections remembered from the epoch before, several
times over; each clustering's centroids are the frozen prototypes that its head compares with. No head is
ever reset, and no pass over the images is spent on features.

Unlike in the released code the memory is filled by one pass before the first epoch and kept for the
images that an epoch's last, incomplete batch leaves out, so that every image has a target in every epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.clustering.lloyd import lloyd
from lookalike.core import rng
from lookalike.core.comm import SINGLE, Comm
from lookalike.core.options import at_least
from lookalike.core.plan import Plan
from lookalike.encoders.heads import rectified
from lookalike.methods.base import Collection, Method, Step, shuffle
from lookalike.methods.grouping import grouping_notes, grouping_problems
from lookalike.methods.multi_crop import MultiCropOptions, small_views
from lookalike.methods.projector import projector
from lookalike.objectives.cross_entropy import cross_entropy

_REMEMBERED = 2  # views whose projections are kept and clustered; head h clusters those of view h mod 2


@dataclass(kw_only=True)
class DeepClusterV2Options(MultiCropOptions):
    """Predict clusters of the projections of the epoch before, with centroids as frozen prototypes."""

    n_clusters: int = 300
    """Clusters of each head; many times the number of kinds that you expect."""
    heads: int = 3
    """Clusterings to predict at once."""
    temperature: float = 0.1
    """Scale of the similarity to a prototype."""
    every: int = 1
    """Epochs between clusterings."""
    kmeans_iter: int = 10
    """Iterations of spherical k-means."""

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        yield from at_least(self, 2, "n_clusters")
        yield from at_least(self, 1, "heads", "every", "kmeans_iter")
        if not self.temperature > 0:
            yield f"--temperature must be positive, got {self.temperature}"

    def data_problems(self, n: int, distinct: Callable[[], int]) -> Iterator[str]:
        yield from super().data_problems(n, distinct)
        yield from grouping_problems(self.n_clusters, n, distinct)


class DeepClusterV2(Method):
    """A projection head, a memory of projections, and prototypes that are centroids."""

    title = "DeepCluster-v2"
    Options = DeepClusterV2Options
    options: DeepClusterV2Options
    finds_clusters = True
    demo_order = 3
    errors_left = 0.75  # 0.4 to 0.6 of them are left, by how the first clusters round
    presets = {
        # at a rate of 0.5 it starts late: ten groups agreed with 0.66 to 0.69 of the classes, not 0.76 to 0.89
        "digits": {"epochs": 40, "lr": 0.2, "n_clusters": 100},
        "mnist": {"epochs": 6, "batch_size": 256, "n_clusters": 300, "head_width": 256},
        "photos": {"head_width": 512},
        "small-images": {"epochs": 8, "n_clusters": 1500, "head_width": 512},
    }
    sharded_buffers = ("bank_VNP",)
    bank_VNP: Tensor
    prototypes_HKP: Tensor
    assignment_NH: Tensor

    def setup(self) -> None:
        options = self.options
        self.views = (*self.views, *small_views(options))
        self.head = projector(self.encoder, options)
        size = options.head_size
        self.local_rows = self.comm.local_slice(self.n)
        self.register_buffer("bank_VNP", torch.zeros(_REMEMBERED, self.local_rows.stop - self.local_rows.start, size))
        self.register_buffer("prototypes_HKP", torch.zeros(options.heads, options.n_clusters, size))
        self.register_buffer("assignment_NH", torch.full((self.n, options.heads), -1))  # -1: not clustered yet

    def plan(self, epoch: int, data: Collection) -> Plan:
        if epoch == 0:
            for v in range(_REMEMBERED):
                self.bank_VNP[v] = F.normalize(data.view_outputs(self, epoch=-1, view=v), dim=1)
        metrics: tuple[dict[str, float | int | None], ...] = ()
        if epoch % self.options.every == 0:
            metrics = tuple(self._cluster(epoch, head) for head in range(self.options.heads))
        return Plan(shuffle(self.options.seed, epoch, data.n), self.assignment_NH.cpu().clone(), metrics=metrics)

    def _cluster(self, epoch: int, head: int) -> dict[str, float | int | None]:
        begun = time.monotonic()
        clustering = lloyd(
            self.bank_VNP[head % _REMEMBERED],
            self.options.n_clusters,
            seed=rng.derive(self.options.seed, "kmeans", epoch, head),
            init="random",
            max_iter=self.options.kmeans_iter,
            spherical=True,
            comm=self.comm,
        )
        previous = self.assignment_NH[:, head].cpu().clone() if int(self.assignment_NH[0, head]) >= 0 else None
        self.assignment_NH[:, head] = self.comm.gather(clustering.labels_N)
        self.prototypes_HKP[head] = clustering.centroids_KD
        return {
            **grouping_notes(clustering, self.assignment_NH[:, head].cpu(), previous),
            "seconds": round(time.monotonic() - begun, 2),
        }

    def forward(self, x_RCHW: Tensor) -> Tensor:
        return self.head(rectified(self.encoder, x_RCHW))

    def loss(self, z_BVP: Tensor, targets_BH: Tensor, comm: Comm = SINGLE) -> Tensor:
        prototypes = self.prototypes_HKP.to(z_BVP.dtype)
        cosine_BVHK = torch.einsum("bvp,hkp->bvhk", F.normalize(z_BVP, dim=-1), prototypes)
        return cross_entropy(cosine_BVHK / self.options.temperature, targets_BH, comm=comm)

    def chance_loss(self, batch_size: int) -> float:
        """ln(clusters), which is chance where clusters are equally large."""
        return math.log(self.options.n_clusters)

    @torch.no_grad()
    def on_step_end(self, step: Step) -> None:
        assert step.images_B is not None
        z_BVP: Tensor = step.outputs
        # images of a batch fall to processes by their place in it, rows of the bank by their number
        remembered_BVP = self.comm.gather(F.normalize(z_BVP[:, :_REMEMBERED], dim=-1))
        index_B = self.comm.gather(step.images_B)
        # chosen on the CPU, where the numbers are: asking a GPU would wait for it
        mine_M = ((index_B >= self.local_rows.start) & (index_B < self.local_rows.stop)).nonzero()[:, 0]
        rows_M = (index_B[mine_M] - self.local_rows.start).to(self.bank_VNP.device, non_blocking=True)
        mine_M = mine_M.to(z_BVP.device, non_blocking=True)
        self.bank_VNP[:, rows_M] = remembered_BVP[mine_M].transpose(0, 1).to(self.bank_VNP.dtype)


Learner = DeepClusterV2  # earlier names
Options = DeepClusterV2Options
