"""Lloyd's k-means, Euclidean and spherical, with labels equal to those of exact arithmetic.

Each iteration labels every row by its nearest centroid (`nearest.py`) and moves every centroid to the
mean of its rows. Nothing is subsampled and no N x K matrix exists. Empty clusters are refilled as faiss
does, `split_clusters` in faiss/Clustering.cpp, but without chance. Spherical k-means (Dhillon, Modha
2001) is the same on rows of length 1 with centroids scaled to length 1: then the nearest centroid is the
one with the largest dot product. Axes: N rows, D features, K clusters, C chunks of rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.clustering.means import means, sums_and_counts
from lookalike.clustering.nearest import Nearest
from lookalike.clustering.seeding import plus_plus, random_rows
from lookalike.core.arithmetic import outside_autocast
from lookalike.core.comm import SINGLE, Comm
from lookalike.core.errors import LookalikeError
from lookalike.core.process import single_threaded_blas
from lookalike.core.progress import Phase, phase
from lookalike.core.words import agreeing, counted
from lookalike.core.workers import Workers

_MEASURE = {"cpu": 1024, "cuda": 1 << 17}  # rows whose distances are taken at a time
_FEW = 0.2  # share of the rows up to which those that changed cluster are moved from sum to sum
_TINY = 1e-150  # lengths below which a row of float64 has no direction
_ORDINARY = 2.0**30  # magnitudes up to which, and down to whose inverse, squares and their sums fit into float32


@dataclass(frozen=True)
class Clustering:
    """What `lloyd` found."""

    centroids_KD: Tensor  # float32; float64 where the rows were
    labels_N: Tensor  # int64: of the nearest of centroids_KD
    inertia: float  # sum of the squared distances of the rows to their centroids
    iterations: int
    refilled: int  # empty clusters refilled, over all iterations
    counts_K: Tensor  # int64: rows of each label; float64, the sum of their weights, where they have some


@outside_autocast
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
    weights_N: Tensor | None = None,
    block: int | None = None,
    comm: Comm = SINGLE,
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
        weights_N: how much each row counts, at least 0, some more; all alike where None. A row that counts twice is as
            two rows.
        block: rows scored at a time, for tests; changes no label.
        comm: the processes that have the rows, each some, in the order of ranks. Labels are then those of a process's
            own rows, and all else is of all rows; sums and counts are what travels. Not with "k-means++", weights
            or tol.

    Raises:
        LookalikeError: k or init do not fit, values that are not finite, or (k-means++) fewer distinct
            rows than k. With other first centroids too few distinct rows show as empty clusters.
    """
    with (
        single_threaded_blas(),
        Workers(x_ND.device, x_ND.numel() * k) as workers,
        phase(f"k-means of {counted(len(x_ND), 'row')}, iterations") as counting,
    ):
        kind = _kind(x_ND)
        x, scale = _checked(x_ND, k, comm, None if isinstance(init, str) or spherical else init)
        weights = None if weights_N is None else _weights(weights_N, x)
        if spherical:
            x = _of_length_1(x).to(kind)
        c = _first(x, k, init, seed, workers, comm, weights, 1.0 if spherical else scale)
        if spherical:
            c = _of_length_1(c)
        enough = tol * float(x.double().var(0, unbiased=False).mean()) if tol > 0 else -1.0
        c, labels, iterations, refilled = _iterate(
            x, c, max_iter, enough, spherical, block, workers, comm, weights, kind, counting
        )
        distance_N = _distances(x, c, labels, workers).double()
        inertia = float(comm.sum((distance_N if weights is None else distance_N * weights).sum()))
        counts_K = comm.sum(torch.bincount(labels, None if weights is None else weights.double(), minlength=k))
    if spherical:
        scale = 1.0  # rows and centroids have length 1
    return Clustering((c / scale).to(kind), labels, inertia / scale / scale, iterations, refilled, counts_K)


def _iterate(
    x: Tensor,
    c: Tensor,
    max_iter: int,
    enough: float,
    spherical: bool,
    block: int | None,
    workers: Workers,
    comm: Comm,
    weights: Tensor | None,
    kind: torch.dtype,
    counting: Phase,
) -> tuple[Tensor, Tensor, int, int]:
    """Centroids, their labels, iterations, clusters refilled.

    `enough`: the squared move that ends it; `kind`: the type that centroids are rounded to, as they are given back so;
    `counting` is told of iterations.
    """
    k = len(c)
    nearest = Nearest(x, k, workers, block, max_iter + 1)
    labels, before = nearest(c), None
    sums_KD, counts_K = sums_and_counts(x, labels, k, workers, weights)
    refilled = 0
    for iteration in counting.over(range(1, max_iter + 1)):
        if before is not None:
            changed = (before != labels).nonzero()[:, 0]
            if not int(comm.sum(torch.tensor(len(changed)))) and bool((comm.sum(counts_K) > 0).all()):
                return c, labels, iteration, refilled  # the means of the same rows again
            if len(changed) > _FEW * len(x) or weights is not None:  # sums of weights do not come back to exactly 0
                sums_KD, counts_K = sums_and_counts(x, labels, k, workers, weights)
            elif len(changed):
                x_changed = x.index_select(0, changed)
                come, gone = (
                    sums_and_counts(x_changed, labels_C[changed], k, workers) for labels_C in (labels, before)
                )
                sums_KD, counts_K = sums_KD + come[0] - gone[0], counts_K + come[1] - gone[1]
        new, splits = means(comm.sum(sums_KD), comm.sum(counts_K))
        if spherical:
            new = F.normalize(new, dim=1)
        new = new.to(kind).to(x.dtype)
        moved = float((new - c).double().square().sum()) if enough >= 0 else 0.0
        c, refilled = new, refilled + splits
        before, labels = labels, nearest(c)
        if moved <= enough:
            return c, labels, iteration, refilled
    return c, labels, max_iter, refilled


@outside_autocast
@torch.no_grad()
def assign(x_ND: Tensor, c_KD: Tensor, *, spherical: bool = False, block: int | None = None) -> tuple[Tensor, Tensor]:
    """The nearest centroid of each row (int64 [N]) and its squared distance [N].

    Args:
        x_ND: rows; computed in float64 if they are, else in float32. The distances are float64 too where float32 does
            not hold the squares of the rows.
        c_KD: centroids; the lowest index wins a tie.
        spherical: scale both to length 1 first: the label is that of the largest cosine, and the squared
            distance is 2 - 2 * cosine.
        block: rows scored at a time; changes no label.

    Raises:
        LookalikeError: values that are not finite, or sizes that do not fit.
    """
    with single_threaded_blas(), Workers(x_ND.device) as workers:
        x, scale = _checked(x_ND, 1, SINGLE, None if spherical else c_KD)
        if spherical:
            x, c = _of_length_1(x), _of_length_1(_fitting(c_KD, x, len(c_KD), 1.0))
            x, c, scale = x.to(_kind(x_ND)), c.to(_kind(x_ND)), 1.0
        else:
            c = _fitting(c_KD, x, len(c_KD), scale)
        labels = Nearest(x, len(c), workers, block, 1)(c)
        distance_N = _distances(x, c, labels, workers)
    return labels, distance_N if scale == 1 else distance_N.double().div_(scale).div_(scale)


def _kind(x_ND: Tensor) -> torch.dtype:
    """The type that results have."""
    return torch.float64 if x_ND.dtype == torch.float64 else torch.float32


def _of_length_1(x_ND: Tensor) -> Tensor:
    return F.normalize(x_ND, dim=1, eps=_TINY if x_ND.dtype == torch.float64 else 1e-12)


def _distances(x_ND: Tensor, c_KD: Tensor, labels_N: Tensor, workers: Workers) -> Tensor:
    """Squared distance of each row to the centroid of its label [N], taken directly."""
    distance_N = x_ND.new_empty(len(x_ND))

    def measure(rows: slice) -> None:
        distance_N[rows] = (x_ND[rows] - c_KD.index_select(0, labels_N[rows])).square_().sum(1)

    workers.for_blocks(measure, len(x_ND), _MEASURE.get(x_ND.device.type, _MEASURE["cpu"]))
    return distance_N


def _checked(x_ND: Tensor, k: int, comm: Comm, c_KD: Tensor | None = None) -> tuple[Tensor, float]:
    """The rows in the type to compute in, and by what power of two they were multiplied; or what is wrong with them.

    Numbers such as 1e20 or 1e-30 are multiplied, without rounding, as their squares would be infinite or 0. Where rows,
    or given centroids, are of sizes too far apart for one factor, float32 is computed in float64.
    """
    if x_ND.ndim != 2:
        raise LookalikeError(f"k-means wants rows of features [N, D], not an array of shape {list(x_ND.shape)}")
    n = int(comm.sum(torch.tensor(len(x_ND))))
    if not 1 <= k <= n:
        raise LookalikeError(f"cannot make {counted(k, 'cluster')} of {counted(n, 'row')}: ask for 1 to {n}")
    x = x_ND if x_ND.dtype == torch.float64 else x_ND.float()
    x = x.detach().contiguous()
    largest = float(torch.stack(x.aminmax()).abs().max()) if x.numel() else 0.0  # NaN where there is one
    if not math.isfinite(largest):
        bad = (~x.isfinite()).any(1).nonzero()[:, 0]
        raise LookalikeError(
            f"{len(bad)} of {counted(len(x), 'row')} "
            f"{agreeing(len(bad), 'holds', 'hold')} NaN or infinite values; the first is row {int(bad[0])}"
        )
    sizes = [x]
    if c_KD is not None and c_KD.numel() and bool(c_KD.isfinite().all()):
        sizes.append(c_KD.detach().to(x.device, torch.float64))
        largest = max(largest, float(sizes[1].abs().max()))
    if comm.size > 1:
        largest = float(comm.gather(torch.tensor([largest], dtype=torch.float64)).max())
    if largest == 0 or 1 / _ORDINARY <= largest <= _ORDINARY:
        return x, 1.0
    if x.dtype == torch.float32:
        size_N = torch.cat([part.abs().amax(1).double() for part in sizes])
        smallest = float(torch.where(size_N > 0, size_N, largest).min())
        if comm.size > 1:
            smallest = float(comm.gather(torch.tensor([smallest], dtype=torch.float64)).min())
        if smallest < largest / _ORDINARY:
            return x.double(), 1.0
    most = 120 if x.dtype == torch.float32 else 1000  # powers of two that the type has
    scale = 2.0 ** max(-most, min(most, -math.frexp(largest)[1]))
    return x * scale, scale


def _weights(weights_N: Tensor, x_ND: Tensor) -> Tensor:
    """Weights in the type of the rows."""
    weights = weights_N.detach().to(x_ND)
    if weights.shape != x_ND.shape[:1]:
        raise LookalikeError(f"there are weights of shape {list(weights_N.shape)} for {counted(len(x_ND), 'row')}")
    if not bool(weights.isfinite().all()) or bool((weights < 0).any()) or not bool((weights > 0).any()):
        raise LookalikeError("weights must be finite and at least zero, and not all zero")
    return weights


def _first(
    x_ND: Tensor,
    k: int,
    init: str | Tensor,
    seed: int,
    workers: Workers,
    comm: Comm,
    weights_N: Tensor | None,
    scale: float,
) -> Tensor:
    if isinstance(init, Tensor):
        return _fitting(init, x_ND, k, scale).clone()
    if init == "k-means++":
        return plus_plus(x_ND, k, seed, workers, weights_N)
    if init == "random":
        return random_rows(x_ND, k, seed, comm, weights_N)
    raise LookalikeError(f"init is {init!r}; it can be 'k-means++', 'random' or first centroids")


def _fitting(c_KD: Tensor, x_ND: Tensor, k: int, scale: float) -> Tensor:
    """Given centroids in the type and on the device of the rows, which were multiplied by `scale`."""
    if c_KD.shape != (k, x_ND.shape[1]) or not k:
        raise LookalikeError(f"centroids are of shape {list(c_KD.shape)}, expected [{k}, {x_ND.shape[1]}]")
    if not bool(c_KD.isfinite().all()):
        raise LookalikeError("the centroids hold NaN or infinite values")
    return (c_KD.to(x_ND) * scale).contiguous()
