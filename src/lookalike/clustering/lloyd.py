"""Lloyd's k-means, Euclidean and spherical, with labels equal to those of exact arithmetic.

Each iteration labels every row by its nearest centroid (`nearest.py`) and moves every centroid to the
mean of its rows. Nothing is subsampled and no N x K matrix exists. Empty clusters are refilled as faiss
does, `split_clusters` in faiss/Clustering.cpp, but without chance. Spherical k-means (Dhillon, Modha
2001) is the same on rows of length 1 with centroids scaled to length 1: then the nearest centroid is the
one with the largest dot product. Axes: N rows, D features, K clusters, C chunks of rows.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.clustering.nearest import Nearest
from lookalike.clustering.seeding import plus_plus, random_rows
from lookalike.core.errors import LookalikeError
from lookalike.core.ranks import ALONE, Ranks
from lookalike.core.words import agreeing, counted
from lookalike.core.workers import Workers

_CHUNK = 64  # rows added up in the rows' own precision; chunks are then added up in float64
_CHUNKS = 256  # chunks that a thread takes at a time
_MEASURE = {"cpu": 1024, "cuda": 1 << 17}  # rows whose distances are taken at a time
_FEW = 0.2  # share of the rows up to which those that changed cluster are moved from sum to sum
_SPLIT = 1 / 1024  # how far the two halves of a split cluster are moved apart, relative


@dataclass(frozen=True)
class Clustering:
    """What `lloyd` found."""

    centroids_KD: Tensor  # float32; float64 where the rows were
    labels_N: Tensor  # int64: of the nearest of centroids_KD
    inertia: float  # sum of the squared distances of the rows to their centroids
    iterations: int
    refilled: int  # empty clusters refilled, over all iterations
    counts_K: Tensor  # int64: rows of each label


@torch.no_grad()
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
    ranks: Ranks = ALONE,
) -> Clustering:
    """Cluster the rows of x_ND, or, of several processes, the rows of all of them.

    Args:
        x_ND: rows, on any device. float64 is computed in float64 throughout, all else in float32.
        k: number of clusters.
        seed: of the first centroids; the rest is deterministic.
        init: "k-means++", "random" (k different rows), or first centroids [K, D].
        max_iter: iterations at the most; 0 labels the rows by the first centroids. It ends earlier when no
            label changes.
        tol: as in scikit-learn, end also when the squared distances that the centroids moved add up to at
            most tol times the mean variance of a feature.
        spherical: scale rows and centroids to length 1.
        block: rows scored at a time, for tests; changes no label.
        ranks: the processes that have the rows, each some, in the order of ranks. Labels are then those of a process's
            own rows, and all else is of all rows; sums and counts are what travels. Not with "k-means++" or tol.

    Raises:
        LookalikeError: k or init do not fit, values that are not finite, or (k-means++) fewer distinct
            rows than k. With other first centroids too few distinct rows show as empty clusters.
    """
    with Workers(x_ND.device, x_ND.numel() * k) as workers:
        x = _checked(x_ND, k, ranks)
        if spherical:
            x = F.normalize(x, dim=1)
        c = _first(x, k, init, seed, workers, ranks)
        if spherical:
            c = F.normalize(c, dim=1)
        enough = tol * float(x.double().var(0, unbiased=False).mean()) if tol > 0 else -1.0
        c, labels, iterations, refilled = _iterate(x, c, max_iter, enough, spherical, block, workers, ranks)
        inertia = float(ranks.sum(_distances(x, c, labels, workers).sum(dtype=torch.float64)))
    counts_K = ranks.sum(torch.bincount(labels, minlength=k))
    return Clustering(c, labels, inertia, iterations, refilled, counts_K)


def _iterate(
    x: Tensor,
    c: Tensor,
    max_iter: int,
    enough: float,
    spherical: bool,
    block: int | None,
    workers: Workers,
    ranks: Ranks,
) -> tuple[Tensor, Tensor, int, int]:
    """Centroids, their labels, iterations, clusters refilled. `enough`: the squared move that ends it."""
    k = len(c)
    nearest = Nearest(x, k, workers, block)
    labels, before = nearest(c), None
    sums_KD, counts_K = sums_and_counts(x, labels, k, workers)
    refilled = 0
    for iteration in range(1, max_iter + 1):
        if before is not None:
            changed = (before != labels).nonzero()[:, 0]
            if not int(ranks.sum(torch.tensor(len(changed)))) and bool(ranks.sum(counts_K).all()):
                return c, labels, iteration, refilled  # the means of the same rows again
            if len(changed) > _FEW * len(x):
                sums_KD, counts_K = sums_and_counts(x, labels, k, workers)
            elif len(changed):
                x_changed = x.index_select(0, changed)
                come, gone = (sums_and_counts(x_changed, of[changed], k, workers) for of in (labels, before))
                sums_KD, counts_K = sums_KD + come[0] - gone[0], counts_K + come[1] - gone[1]
        new, splits = _means(ranks.sum(sums_KD), ranks.sum(counts_K))
        if spherical:
            new = F.normalize(new, dim=1)
        new = new.to(x.dtype)
        moved = float((new - c).double().square().sum()) if enough >= 0 else 0.0
        c, refilled = new, refilled + splits
        before, labels = labels, nearest(c)
        if moved <= enough:
            return c, labels, iteration, refilled
    return c, labels, max_iter, refilled


@torch.no_grad()
def assign(x_ND: Tensor, c_KD: Tensor, *, spherical: bool = False, block: int | None = None) -> tuple[Tensor, Tensor]:
    """The nearest centroid of each row (int64 [N]) and its squared distance [N].

    Args:
        x_ND: rows; computed in float64 if they are, else in float32.
        c_KD: centroids; the lowest index wins a tie.
        spherical: scale both to length 1 first: the label is that of the largest cosine, and the squared
            distance is 2 - 2 * cosine.
        block: rows scored at a time; changes no label.

    Raises:
        LookalikeError: values that are not finite, or sizes that do not fit.
    """
    with Workers(x_ND.device) as workers:
        x = _checked(x_ND, 1, ALONE)
        c = _fitting(c_KD, x, len(c_KD))
        if spherical:
            x, c = F.normalize(x, dim=1), F.normalize(c, dim=1)
        labels = Nearest(x, len(c), workers, block)(c)
        return labels, _distances(x, c, labels, workers)


def sums_and_counts(x_ND: Tensor, labels_N: Tensor, k: int, workers: Workers | None = None) -> tuple[Tensor, Tensor]:
    """The sum of the rows of each label (float64 [K, D]) and their number (int64 [K]).

    Those of parts of the data add up to those of all of it. Rows are gathered in the order of their labels,
    one pass without a loop over clusters; chunks of 64 keep float32 from losing small rows to large sums.
    """
    counts_K = torch.bincount(labels_N, minlength=k)
    order_N = labels_N.argsort(stable=True)
    chunks_K = (counts_K + _CHUNK - 1).div(_CHUNK, rounding_mode="floor")
    cluster_C = torch.repeat_interleave(chunks_K)
    first_K = chunks_K.cumsum(0) - chunks_K  # the first chunk of each cluster
    within_C = torch.arange(len(cluster_C), device=x_ND.device) - first_K[cluster_C]
    start_C = (counts_K.cumsum(0) - counts_K)[cluster_C] + _CHUNK * within_C
    end_C = torch.cat([start_C[1:], start_C.new_tensor([len(x_ND)])])
    part_CD = x_ND.new_empty(len(start_C), x_ND.shape[1], dtype=torch.float64)

    def add(chunks: slice) -> None:
        first, last = int(start_C[chunks.start]), int(end_C[chunks.stop - 1])
        part_CD[chunks] = F.embedding_bag(order_N[first:last], x_ND, start_C[chunks] - first, mode="sum").double()

    if workers is None or x_ND.device.type != "cpu":  # a GPU takes all at once, and is asked for two numbers, not many
        add(slice(0, len(start_C)))
    else:
        workers.for_blocks(add, len(start_C), _CHUNKS)
    # a second embedding_bag and not index_add_, which adds in no fixed order on a GPU
    return F.embedding_bag(torch.arange(len(part_CD), device=x_ND.device), part_CD, first_K, mode="sum"), counts_K


def _means(sums_KD: Tensor, counts_K: Tensor) -> tuple[Tensor, int]:
    """Means (float64 [K, D]), empty clusters refilled, and how many of them there were.

    Each empty cluster takes half of the cluster that is the largest at its turn: both get its mean, one
    with the coordinates multiplied by 1 + 1/1024 and 1 - 1/1024 in turn, the other the other way round.
    """
    means_KD = sums_KD / counts_K.clamp(min=1)[:, None]
    empty = (counts_K == 0).nonzero()[:, 0].tolist()
    if empty:
        largest = [(-count, i) for i, count in enumerate(counts_K.tolist()) if count]
        heapq.heapify(largest)
        sign_D = 1 - 2 * (torch.arange(sums_KD.shape[1], device=sums_KD.device) % 2)
        for i in empty:
            count, donor = largest[0]
            half = -count // 2
            means_KD[i] = means_KD[donor] * (1 + _SPLIT * sign_D)
            means_KD[donor] *= 1 - _SPLIT * sign_D
            heapq.heapreplace(largest, (count + half, donor))
            heapq.heappush(largest, (-half, i))
    return means_KD, len(empty)


def _distances(x_ND: Tensor, c_KD: Tensor, labels_N: Tensor, workers: Workers) -> Tensor:
    """Squared distance of each row to the centroid of its label [N], taken directly."""
    distance_N = x_ND.new_empty(len(x_ND))

    def measure(rows: slice) -> None:
        distance_N[rows] = (x_ND[rows] - c_KD.index_select(0, labels_N[rows])).square_().sum(1)

    workers.for_blocks(measure, len(x_ND), _MEASURE.get(x_ND.device.type, _MEASURE["cpu"]))
    return distance_N


def _checked(x_ND: Tensor, k: int, ranks: Ranks) -> Tensor:
    """The rows in the type to compute in, or an error that says what is wrong with them."""
    if x_ND.ndim != 2:
        raise LookalikeError(f"k-means wants rows of features [N, D], not an array of shape {list(x_ND.shape)}")
    n = int(ranks.sum(torch.tensor(len(x_ND))))
    if not 1 <= k <= n:
        raise LookalikeError(f"cannot make {counted(k, 'cluster')} of {counted(n, 'row')}: ask for 1 to {n}")
    x = x_ND if x_ND.dtype == torch.float64 else x_ND.float()
    x = x.detach().contiguous()
    # A sum is finite only if all is; it is quick, but may overflow on its own, hence the second look.
    if not bool(x.sum().isfinite()) and not bool(x.isfinite().all()):
        bad = (~x.isfinite()).any(1).nonzero()[:, 0]
        raise LookalikeError(
            f"{len(bad)} of {counted(len(x), 'row')} "
            f"{agreeing(len(bad), 'holds', 'hold')} NaN or infinite values; the first is row {int(bad[0])}"
        )
    return x


def _first(x_ND: Tensor, k: int, init: str | Tensor, seed: int, workers: Workers, ranks: Ranks) -> Tensor:
    if isinstance(init, Tensor):
        return _fitting(init, x_ND, k).clone()
    if init == "k-means++":
        return plus_plus(x_ND, k, seed, workers)
    if init == "random":
        return random_rows(x_ND, k, seed, ranks)
    raise LookalikeError(f"init is {init!r}; it can be 'k-means++', 'random' or first centroids")


def _fitting(c_KD: Tensor, x_ND: Tensor, k: int) -> Tensor:
    """Given centroids in the type and on the device of the rows."""
    if c_KD.shape != (k, x_ND.shape[1]) or not k:
        raise LookalikeError(f"centroids are of shape {list(c_KD.shape)}, expected [{k}, {x_ND.shape[1]}]")
    if not bool(c_KD.isfinite().all()):
        raise LookalikeError("the centroids hold NaN or infinite values")
    return c_KD.to(x_ND).contiguous()
