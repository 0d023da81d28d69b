"""DeepCluster (Caron, Bojanowski, Joulin, Douze 2018; here section 2.2 and Algorithm 2).

Every few epochs: features of all images, PCA-whitened and scaled to unit length; k-means; the clusters
become labels for a fresh linear head. The released code samples uniformly over images where it means to
sample uniformly over clusters (it stores images in the order of clusters and indexes them by their
original numbers); here the sampling is what the paper says.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lookalike.clustering.balance import balanced_order
from lookalike.clustering.lloyd import lloyd
from lookalike.clustering.whiten import pca_whiten
from lookalike.core import rng
from lookalike.core.comm import SINGLE, Comm
from lookalike.core.options import TrainOptions, at_least
from lookalike.core.plan import Plan
from lookalike.encoders.base import seeded
from lookalike.encoders.heads import rectified
from lookalike.methods.base import Collection, Method, View, shuffle
from lookalike.methods.grouping import grouping_notes, grouping_problems
from lookalike.objectives.cross_entropy import cross_entropy

_HEAD_STD = 0.01  # of the head's initial weights, as released


@dataclass(kw_only=True)
class DeepClusterOptions(TrainOptions):
    """Cluster the features, learn to predict the clusters, repeat."""

    n_clusters: int = 100
    """Clusters of k-means; several times the number of kinds that you expect."""
    every: int = 1
    """Epochs between clusterings."""
    pca: int = 256
    """Dimensions kept by PCA-whitening before k-means, at most the rank of the features."""
    kmeans_iter: int = 20
    """Iterations of k-means."""
    balanced: bool = True
    """Draw images uniformly over clusters, not over images."""
    head_lr: float | None = None
    """Learning rate of the head, scaled as --lr and constant; default: that of --lr."""
    head_momentum: float = 0.0
    """Momentum of the head, which is initialised anew at each clustering."""
    head_weight_decay: float | None = None
    """Weight decay of the head; default: that of --weight-decay."""

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        yield from at_least(self, 2, "n_clusters")
        yield from at_least(self, 1, "every", "pca", "kmeans_iter")
        yield from at_least(self, 0, "head_momentum", "head_weight_decay")
        if self.head_lr is not None and not self.head_lr > 0:
            yield f"--head-lr must be positive, got {self.head_lr}"
        if self.head_momentum >= 1:
            yield f"--head-momentum must be below 1, got {self.head_momentum}"

    def data_problems(self, n: int, distinct: Callable[[], int]) -> Iterator[str]:
        yield from super().data_problems(n, distinct)
        yield from grouping_problems(self.n_clusters, n, distinct)


class DeepCluster(Method):
    """A linear head over clusters, which are found again every few epochs."""

    title = "DeepCluster"
    Options = DeepClusterOptions
    options: DeepClusterOptions
    views = (View(),)
    finds_clusters = True
    demo_order = 2
    presets = {
        "digits": {"epochs": 40, "n_clusters": 50},
        "mnist": {"epochs": 8, "batch_size": 256, "n_clusters": 100},
        "small-images": {"epochs": 8, "n_clusters": 300},
    }
    assignment_N: Tensor

    def setup(self) -> None:
        with seeded(self.options.seed, "head"):
            self.head = nn.Linear(self.encoder.out_features, self.options.n_clusters)  # type: ignore[arg-type]  # an int
        self._reset_head(epoch=0)
        self.register_buffer("assignment_N", torch.full((self.n,), -1))  # -1: not clustered yet

    def plan(self, epoch: int, data: Collection) -> Plan:
        options = self.options
        metrics: tuple[dict[str, float | int | None], ...] = ()
        reset: tuple[str, ...] = ()
        if epoch % options.every == 0:
            metrics = (self._cluster(epoch, data),)
            self._reset_head(epoch)
            reset = ("head.weight", "head.bias")
        targets = self.assignment_N.cpu().clone()
        if options.balanced:
            order = balanced_order(targets, seed=options.seed, epoch=epoch)
        else:
            order = shuffle(options.seed, epoch, data.n)
        return Plan(order, targets[:, None], reset, metrics)

    def _cluster(self, epoch: int, data: Collection) -> dict[str, float | int | None]:
        begun = time.monotonic()
        features_ND = data.outputs(self.encoder)  # an encoder with a last ReLU leaves it to the head
        x_ND = F.normalize(pca_whiten(features_ND, self.options.pca, comm=self.comm), dim=1)
        seed = rng.derive(self.options.seed, "kmeans", epoch)
        clustering = lloyd(
            x_ND,
            self.options.n_clusters,
            seed=seed,
            init="random",
            max_iter=self.options.kmeans_iter,
            comm=self.comm,
        )
        previous = self.assignment_N.cpu().clone() if int(self.assignment_N[0]) >= 0 else None
        self.assignment_N.copy_(self.comm.gather(clustering.labels_N))
        return {
            **grouping_notes(clustering, self.assignment_N.cpu(), previous),
            "seconds": round(time.monotonic() - begun, 2),
        }

    def _reset_head(self, epoch: int) -> None:
        """Clusters of two clusterings have no correspondence: what the head knew is void."""
        with seeded(rng.derive(self.options.seed, "head", epoch), "weights"), torch.no_grad():
            # drawn on the CPU in one precision, so that every device starts from the same weights
            self.head.weight.copy_(torch.randn(self.head.weight.shape) * _HEAD_STD)
        nn.init.zeros_(self.head.bias)

    def forward(self, x_RCHW: Tensor) -> Tensor:
        return self.head(rectified(self.encoder, x_RCHW))

    def loss(self, z_BVP: Tensor, targets_BH: Tensor, comm: Comm = SINGLE) -> Tensor:
        return cross_entropy(z_BVP[:, :, None], targets_BH, comm=comm)

    def chance_loss(self, batch_size: int) -> float:
        """ln(clusters), which is chance where clusters are drawn equally often."""
        return math.log(self.options.n_clusters)

    def param_groups(self) -> dict[str, dict[str, float]]:
        options = self.options
        decay = options.weight_decay if options.head_weight_decay is None else options.head_weight_decay
        factor = 1.0 if options.head_lr is None or options.lr is None else options.head_lr / options.lr
        # A head that is new at each clustering has to learn as fast in the last epoch as in the first.
        return {
            "head.": {
                "lr_factor": factor,
                "constant": True,
                "momentum": options.head_momentum,
                "weight_decay": decay,
            }
        }


Learner = DeepCluster  # earlier names
Options = DeepClusterOptions
