"""Lloyd's k-means. Axes: N rows, D features, K clusters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.core import rng
from lookalike.core.errors import LookalikeError


@dataclass(frozen=True)
class Clustering:
    """What `lloyd` found."""

    centroids_KD: Tensor  # float32; float64 where the rows were
    labels_N: Tensor  # int64: of the nearest of centroids_KD
    inertia: float  # sum of the squared distances of the rows to their centroids
    iterations: int
    refilled: int  # empty clusters refilled, over all iterations
    counts_K: Tensor  # int64: rows of each label


def assign(x_ND: Tensor, c_KD: Tensor, *, spherical: bool = False, block: int | None = None) -> tuple[Tensor, Tensor]:
    """The nearest centroid of each row (int64 [N]) and its squared distance [N]."""
    if spherical:
        x_ND, c_KD = F.normalize(x_ND, dim=1), F.normalize(c_KD, dim=1)
    bias_K = -0.5 * (c_KD * c_KD).sum(1)
    labels = torch.cat([torch.addmm(bias_K, x_BD, c_KD.T).argmax(1) for x_BD in x_ND.split(block or 1024)])
    return labels, (x_ND - c_KD[labels]).square().sum(1)


def lloyd(
    x_ND: Tensor,
    k: int,
    *,
    seed: int = 0,
    init: str | Tensor = "k-means++",
    max_iter: int = 20,
    tol: float = 0.0,
    spherical: bool = False,
    block: int | None = None,
) -> Clustering:
    """Lloyd's iterations from `init`; first version, correct and plain."""
    if not 1 <= k <= len(x_ND):
        raise LookalikeError(f"cannot make {k} clusters of {len(x_ND)} rows")
    if not bool(torch.isfinite(x_ND).all()):
        raise LookalikeError("the rows hold NaN or infinite values")
    x = x_ND if x_ND.dtype == torch.float64 else x_ND.float()
    if spherical:
        x = F.normalize(x, dim=1)
    if isinstance(init, Tensor):
        c = init.to(x)
    else:
        c = x[rng.permutation(seed, "kmeans-rows", 0, len(x))[:k].to(x.device)].clone()
    refilled = iterations = 0
    for _ in range(max_iter):
        labels, _ = assign(x, c, block=block)
        iterations += 1
        counts = torch.bincount(labels, minlength=k)
        sums = torch.zeros(k, x.shape[1], dtype=torch.float64, device=x.device).index_add_(0, labels, x.double())
        new = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], c.double()).to(x.dtype)
        sizes = counts.tolist()
        for empty in [i for i, size in enumerate(sizes) if size == 0]:
            donor = sizes.index(max(sizes))
            sign = torch.where(torch.arange(x.shape[1], device=x.device) % 2 == 0, 1 / 1024, -1 / 1024).to(x)
            new[empty], new[donor] = new[donor] * (1 + sign), new[donor] * (1 - sign)
            sizes[empty] = sizes[donor] // 2
            sizes[donor] -= sizes[empty]
            refilled += 1
        if spherical:
            new = F.normalize(new, dim=1)
        moved = float((new - c).square().sum())
        c = new
        if moved <= tol:
            break
    labels, distance = assign(x, c, block=block)
    inertia = float(distance.sum(dtype=torch.float64))
    return Clustering(c, labels, inertia, iterations, refilled, torch.bincount(labels, minlength=k))
