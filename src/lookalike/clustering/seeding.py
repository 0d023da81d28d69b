"""First centroids: rows drawn at random, or by k-means++ (Arthur, Vassilvitskii 2007).

k-means++ draws each next centroid with probability proportional to the squared distance to the nearest
one so far. Taken literally that is k passes over the data. Here several candidates are drawn at once from
the distances as they were, and each is kept with probability (distance now) / (distance then). Distances
only shrink, so this is rejection sampling: what is kept has exactly the distribution of plain k-means++,
and the passes become a few matrix products. Axes: N rows, D features, K centroids, M candidates.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lookalike.core import rng
from lookalike.core.comm import SINGLE, Comm
from lookalike.core.errors import LookalikeError
from lookalike.core.words import counted
from lookalike.core.workers import Workers

_MOST = 256  # candidates drawn at once
_BLOCK = 4096  # rows whose distances are updated at a time
_NEAR = 1e-3  # below this share of the squared lengths, a distance from a product is mostly rounding error


def random_rows(x_ND: Tensor, k: int, seed: int, comm: Comm = SINGLE, weights_N: Tensor | None = None) -> Tensor:
    """k different rows of x_ND, or of all processes' rows one after the other, as a copy [K, D].

    With weights (of one process) each next row is drawn with probability proportional to its weight: those of the
    least -log(u) / weight are (Efraimidis, Spirakis 2006).
    """
    if weights_N is not None:
        drawn_N = -rng.uniform(seed, "kmeans-random", 0, torch.arange(len(x_ND)))[:, 0].double().clamp(min=2e-8).log()
        wait_N = drawn_N.to(weights_N.device) / weights_N.double()
        if int((weights_N > 0).sum()) < k:
            raise LookalikeError(f"cannot make {counted(k, 'cluster')}: fewer rows have a weight above 0")
        return x_ND[wait_N.argsort(stable=True)[:k]]
    before, n = 0, len(x_ND)
    if comm.size > 1:
        lengths = comm.gather(torch.tensor([n])).tolist()
        before, n = sum(lengths[: comm.rank]), sum(lengths)
    at_K = rng.permutation(seed, "kmeans-random", 0, n)[:k] - before
    mine_K = (at_K >= 0) & (at_K < len(x_ND))
    rows_KD = x_ND.new_zeros(k, x_ND.shape[1])
    rows_KD[mine_K.to(x_ND.device)] = x_ND[at_K[mine_K].to(x_ND.device)]
    return comm.sum(rows_KD)  # every row is one process's; the others add zeros


def plus_plus(x_ND: Tensor, k: int, seed: int, workers: Workers, weights_N: Tensor | None = None) -> Tensor:
    """k rows of x_ND, a copy [K, D], drawn as k-means++ does; floating, k <= N.

    With weights, the probability of a row is multiplied by its own.

    Raises:
        LookalikeError: fewer distinct rows than k.
    """
    n = len(x_ND)
    centred_ND = x_ND - x_ND.mean(0)
    square_N = centred_ND.square().sum(1)
    weight_N = 1.0 if weights_N is None else weights_N.double()
    first = min(n - 1, int(_uniform(seed, 0, 1)[0, 0] * n))
    if weights_N is not None:
        total_N = weights_N.double().cumsum(0)
        first = int(torch.searchsorted(total_N, _uniform(seed, 0, 1)[0, :1].to(x_ND.device) * total_N[-1], right=True))
    chosen = [first]
    distance_N = torch.full((n,), torch.inf, dtype=x_ND.dtype, device=x_ND.device)
    _update(distance_N, centred_ND, square_N, torch.tensor([first], device=x_ND.device), workers)
    step = 0
    while len(chosen) < k:
        step += 1
        total_N = (distance_N.double() * weight_N).cumsum(0)
        if not float(total_N[-1]) > 0:
            raise LookalikeError(
                f"cannot make {counted(k, 'cluster')} of {counted(n, 'row')}, of which {len(chosen)} distinct"
            )
        count = min(len(chosen), k - len(chosen), _MOST)
        draw_M2 = _uniform(seed, step, count)
        at_M = torch.searchsorted(total_N, (draw_M2[:, 0].to(x_ND.device) * total_N[-1]), right=True).clamp(max=n - 1)
        accepted = _accepted(centred_ND[at_M], distance_N[at_M], draw_M2[:, 1])
        fresh = at_M[torch.tensor(accepted, device=x_ND.device)]
        chosen += fresh.tolist()
        _update(distance_N, centred_ND, square_N, fresh, workers)
    return x_ND[torch.tensor(chosen, device=x_ND.device)]


def _uniform(seed: int, step: int, count: int) -> Tensor:
    """Uniform float64 numbers [count, 2] in [0, 1), on the CPU, of 48 bits: rows may be many."""
    parts = rng.uniform(seed, "kmeans-plus-plus", step, torch.arange(count), count=4).double()
    return parts[:, :2] + parts[:, 2:] * 2.0**-24


def _accepted(x_MD: Tensor, then_M: Tensor, draw_M: Tensor) -> list[int]:
    """The numbers of the candidates that become centres, in the order of drawing."""
    between_MM = torch.cdist(x_MD, x_MD, compute_mode="donot_use_mm_for_euclid_dist").square().double().cpu()
    now_M = then_M.double().cpu()
    limit = (draw_M * now_M).tolist()
    accepted = []
    for i, least in enumerate(limit):
        if least < float(now_M[i]):
            accepted.append(i)
            now_M = torch.minimum(now_M, between_MM[i])
    return accepted


def _update(distance_N: Tensor, x_ND: Tensor, square_N: Tensor, fresh_M: Tensor, workers: Workers) -> None:
    """Lower distance_N (squared) to the nearest of the rows fresh_M, in place; exactly 0 for equal rows."""
    c_MD, square_M = x_ND[fresh_M], square_N[fresh_M]

    def lower(rows: slice) -> None:
        half_BM = torch.addmm(square_M, x_ND[rows], c_MD.T, alpha=-2)
        near_B, which_B = half_BM.min(1)
        near_B += square_N[rows]
        rough = (near_B <= _NEAR * (square_N[rows] + square_M[which_B])).nonzero()[:, 0]
        near_B[rough] = (x_ND[rows][rough] - c_MD[which_B[rough]]).square().sum(1)
        distance_N[rows] = torch.minimum(distance_N[rows], near_B)

    workers.for_blocks(lower, len(x_ND), _BLOCK)
