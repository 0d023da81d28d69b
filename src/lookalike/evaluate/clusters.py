"""Groups of features, made without labels, and how well they agree with labels afterwards.

Groups are made of the learning rows and given to the test rows; the agreement is that of the test rows.
k is the number of classes, which is the one thing about the labels that is used to make them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from lookalike.clustering.clustering_metrics import ari, matched_accuracy, nmi, purity
from lookalike.clustering.lloyd import Clustering, assign, lloyd
from lookalike.clustering.spectral import spectral
from lookalike.core import rng
from lookalike.core.errors import LookalikeError, did_you_mean
from lookalike.core.progress import phase

RESTARTS = 30
_ITERATIONS = 100
_TOLERANCE = 1e-4  # scikit-learn's
_SAMPLE = 10_000  # rows that restarts are made on

Predict = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ClusteringMetrics:
    """Agreement of groups with labels; `accuracy` after the best one-to-one matching, all but `ari` in [0, 1]."""

    accuracy: float
    nmi: float
    ari: float
    purity: float


def kmeans_clustering(x_ND: Tensor, k: int, seed: int = 0, restarts: int = RESTARTS) -> Clustering:
    """k-means of features scaled to unit length.

    Restarts end in different groupings, of which few are good; the one of least inertia is kept. They are
    made on a sample of the rows, and the best goes on with all.
    """
    x = F.normalize(x_ND.float(), dim=1)
    sample = x[rng.permutation(seed, "groups/sample", 0, len(x))[:_SAMPLE]] if len(x) > _SAMPLE else x
    tries = (
        lloyd(sample, k, seed=rng.derive(seed, "groups/restart", i), max_iter=_ITERATIONS, tol=_TOLERANCE)
        for i in range(restarts)
    )
    with phase("grouping images", restarts) as p:
        best = min(p.over(tries), key=lambda result: result.inertia)
        return lloyd(x, k, init=best.centroids_KD, max_iter=_ITERATIONS, tol=_TOLERANCE)


def kmeans_groups(x_ND: Tensor, k: int, seed: int = 0, restarts: int = RESTARTS) -> tuple[Tensor, Predict]:
    """The groups of `kmeans_clustering`: labels [N], and a function that gives new rows theirs."""
    best = kmeans_clustering(x_ND, k, seed, restarts)
    return best.labels_N, lambda new_ND: assign(F.normalize(new_ND.float(), dim=1), best.centroids_KD)[0]


def spectral_groups(x_ND: Tensor, k: int, seed: int = 0, restarts: int = RESTARTS) -> tuple[Tensor, Predict]:
    """Landmark-based spectral clustering; returns what `kmeans_groups` does."""
    result = spectral(x_ND, k, seed=seed, restarts=restarts)
    return result.labels_N, result.predict


GROUPING_METHODS = {"kmeans": kmeans_groups, "spectral": spectral_groups}


def groups(method: str, x_ND: Tensor, k: int, seed: int = 0, restarts: int = RESTARTS) -> tuple[Tensor, Predict]:
    """Groups of features by one of `GROUPING_METHODS`: labels [N], and a function that gives new rows theirs.

    Raises:
        LookalikeError: no such method, or k groups cannot be made of these rows.
    """
    if method not in GROUPING_METHODS:
        raise LookalikeError(f"unknown way to cluster {method!r}: {did_you_mean(method, GROUPING_METHODS)}")
    return GROUPING_METHODS[method](x_ND, k, seed, restarts)


def clustering_metrics(groups_N: Tensor, labels_N: Tensor) -> ClusteringMetrics:
    """How well groups agree with labels."""
    return ClusteringMetrics(
        matched_accuracy(groups_N, labels_N),
        nmi(groups_N, labels_N),
        ari(groups_N, labels_N),
        purity(groups_N, labels_N),
    )


def kmeans_accuracy(x_ND: Tensor, labels_N: Tensor, k: int, seed: int = 0, restarts: int = RESTARTS) -> float:
    """Matched accuracy of k-means groups of all rows."""
    return matched_accuracy(kmeans_groups(x_ND, k, seed, restarts)[0], labels_N)
