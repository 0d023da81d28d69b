"""Groups that follow the shape of the data: landmark-based spectral clustering (Chen and Cai 2011).

k-means looks for round groups of like size. Features learned without labels seldom are: a digit's
features form a bent sheet, near to its like along the sheet and far across. Here rows are first described
by the few landmarks (centroids of many small clusters) that they are close to; rows that share landmarks,
directly or through others, end up in one group. It is the spectral clustering of the graph between rows
and landmarks, at the cost of k-means with many clusters and an eigenproblem of the landmarks' number.

Axes: N rows, D features, M landmarks, R landmarks of a row, K groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.clustering.lloyd import lloyd
from lookalike.core import rng
from lookalike.core.errors import LookalikeError
from lookalike.core.words import counted

_BLOCK = 4096  # rows compared with the landmarks at once
_ITERATIONS, _TOLERANCE = 100, 1e-4  # of the k-means that ends it
_ROWS_PER_LANDMARK = 4  # fewer and landmarks are single rows


@dataclass(frozen=True)
class Spectral:
    """A fitted grouping, which also groups new rows."""

    landmarks_MD: Tensor
    basis_MK: Tensor
    """Takes a row's weights on the landmarks to its spectral coordinates."""
    centroids_KK: Tensor
    scale: float
    """Squared distance at which a landmark's weight has fallen to 1/e."""
    neighbours: int
    labels_N: Tensor
    """int64 groups of the rows it was fitted on."""

    def predict(self, x_ND: Tensor) -> Tensor:
        """int64 groups [N] of rows."""
        parts = []
        for x in F.normalize(x_ND.float(), dim=1).split(_BLOCK):
            y = _coordinates(_weights(x, self.landmarks_MD, self.scale, self.neighbours), self.basis_MK)
            parts.append((y @ self.centroids_KK.T).argmax(1))
        return torch.cat(parts)


def spectral(
    x_ND: Tensor, k: int, *, landmarks: int = 1000, neighbours: int = 5, restarts: int = 10, seed: int = 0
) -> Spectral:
    """Group rows by the landmarks they share.

    Args:
        x_ND: floating features; compared by angle, as the features of these networks are made to be.
        k: groups.
        landmarks: at the most; fewer for few rows.
        neighbours: nearest landmarks that describe a row.
        restarts: of the k-means that ends it; the best inertia wins.
        seed: of landmarks and restarts.

    Raises:
        LookalikeError: k does not fit the number of rows, or a feature is not finite.
    """
    m = min(landmarks, max(k, len(x_ND) // _ROWS_PER_LANDMARK))
    if not 2 <= k <= len(x_ND):
        raise LookalikeError(f"cannot make {counted(k, 'group')} of {counted(len(x_ND), 'image')}")
    x = F.normalize(x_ND.float(), dim=1)
    centres = lloyd(x, m, seed=rng.derive(seed, "landmarks"), init="random", max_iter=20, spherical=True)
    landmarks_MD = centres.centroids_KD
    r = min(neighbours, m)
    nearest = torch.cat([_squared(part, landmarks_MD).topk(r, largest=False).values for part in x.split(_BLOCK)])
    scale = float(nearest.mean()) or 1.0
    gram_MM = torch.zeros(m, m, dtype=torch.float64)
    mass_M = torch.zeros(m, dtype=torch.float64)
    for part in x.split(_BLOCK):
        w = _weights(part, landmarks_MD, scale, r).double()
        gram_MM += w.T @ w
        mass_M += w.sum(0)
    # the graph's normalised affinity is Z D^-1 Z^T with Z the weights and D the landmarks' masses; its leading
    # eigenvectors are the left singular vectors of Z D^-1/2, found through the small M x M product
    root_M = mass_M.clamp_min(1e-12).rsqrt()
    values, vectors = torch.linalg.eigh(root_M[:, None] * gram_MM * root_M)
    leading = vectors[:, -k:] * values[-k:].clamp_min(1e-12).rsqrt()
    basis_MK = (root_M[:, None] * leading).float()
    y = torch.cat([_coordinates(_weights(part, landmarks_MD, scale, r), basis_MK) for part in x.split(_BLOCK)])
    runs = [
        lloyd(y, k, seed=rng.derive(seed, "restart", i), max_iter=100, tol=1e-4, spherical=True)
        for i in range(restarts)
    ]
    best = min(runs, key=lambda run: run.inertia)
    return Spectral(landmarks_MD, basis_MK, best.centroids_KD, scale, r, best.labels_N)


def _squared(x_ND: Tensor, landmarks_MD: Tensor) -> Tensor:
    """Squared distances [N, M] of unit rows."""
    return (2 - 2 * x_ND @ landmarks_MD.T).clamp_min(0)


def _weights(x_ND: Tensor, landmarks_MD: Tensor, scale: float, neighbours: int) -> Tensor:
    """Weights [N, M] of rows on their nearest landmarks, summing to 1; zero on all others."""
    near = _squared(x_ND, landmarks_MD).topk(neighbours, largest=False)
    weight_NR = torch.softmax(-near.values / scale, dim=1)
    return torch.zeros(len(x_ND), len(landmarks_MD)).scatter_(1, near.indices, weight_NR)


def _coordinates(weights_NM: Tensor, basis_MK: Tensor) -> Tensor:
    """Spectral coordinates, each row of unit length (Ng, Jordan, Weiss 2001)."""
    return F.normalize(weights_NM @ basis_MK, dim=1)
