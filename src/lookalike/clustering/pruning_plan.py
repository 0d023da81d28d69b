"""Whether sorting rows into blocks of near ones pays: tried on a few blocks before all rows are copied.

Axes: N rows, S of a sample, B rows of a block, D features, K centroids, G groups of centroids, W axes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lookalike.clustering.assignment import Assignment
from lookalike.clustering.full_blocks import FullBlocks, block_rows

_BLOCK, _BLOCK_OF_FEW = 256, 1024  # rows of a block; where there are few centroids, more, as each of them takes less
_FEW = 256  # centroids
_BLOCKS_TRIED = 3
_WIDTHS = (16, 32, 64)  # axes to choose from
_AXES_ROWS = 512  # rows that give the axes
_AXES_ROUNDS = 2  # of subspace iteration
_GROUP = 16  # centroids of a group that is kept together
_GROUP_ROUNDS = 2  # of k-means on the centroids
_SOON = 8  # labellings that are likely to come in any case
_LEAST_ROWS = 4096  # below which there is nothing to gain
_HOPE = 0.3  # share of the products that a block's other work may be, for a trial to be worth it

# What labelling a row costs beside its products, in multiply-adds of a product (measured on 2 cores with AVX2).
_PER_BLOCK, _PER_THINNED, _PER_BOUND, _PER_COPY = 4e6, 4e6, 16.0, 200.0


@dataclass(frozen=True)
class Plan:
    """How rows are sorted."""

    order_N: np.ndarray
    """int64: the rows, near ones together."""
    starts_J: np.ndarray
    """int64: where the blocks of them start."""
    axes_DW: Tensor | None
    """Orthonormal columns along which centroids are left out; None where distances between blocks do."""
    cost: float
    """Of labelling a row, as a share of what comparing it with all centroids costs."""


def near_rows(k: int) -> int:
    """Rows of a block of near ones at most."""
    return _BLOCK_OF_FEW if k <= _FEW else _BLOCK


def near_order(labels_N: np.ndarray, c_KD: Tensor, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (int64 [N]) by label, near centroids' one after the other, and where the blocks of them start (int64 [J]).

    No block has more than `block` rows, nor rows of two groups of centroids.
    """
    k, n = len(c_KD), len(labels_N)
    groups = min(k, max(k // _GROUP, n // block))
    group_K = np.arange(k) if groups == k else _groups(c_KD, groups).numpy()
    by_group_K = np.argsort(group_K, kind="stable")
    rank_K = np.empty(k, np.int64)
    rank_K[by_group_K] = np.arange(k)
    order_N = np.argsort(rank_K[labels_N], kind="stable")
    sizes = np.bincount(group_K[labels_N], minlength=groups)
    starts: list[int] = []
    first = 0
    for size in sizes.tolist():
        pieces = math.ceil(size / block)
        starts += [first + size * i // pieces for i in range(pieces)]
        first += size
    return order_N, np.array(starts)


def _groups(c_KD: Tensor, groups: int) -> Tensor:
    """A group (int64 [K]) for each centroid: k-means from centroids that are far apart (Gonzalez 1985)."""
    far_K, chosen = c_KD.new_full((len(c_KD),), math.inf), [0]
    for _ in range(groups - 1):
        torch.minimum(far_K, (c_KD - c_KD[chosen[-1]]).square_().sum(1), out=far_K)
        chosen.append(int(far_K.argmax()))
    centre_GD = c_KD[chosen]
    for _ in range(_GROUP_ROUNDS):
        group_K = torch.cdist(c_KD, centre_GD).argmin(1)
        sums_GD = torch.zeros_like(centre_GD).index_add_(0, group_K, c_KD)
        counts_G1 = torch.bincount(group_K, minlength=groups)[:, None]
        centre_GD = torch.where(counts_G1 > 0, sums_GD / counts_G1.clamp(min=1), centre_GD)
    return torch.cdist(c_KD, centre_GD).argmin(1)


def main_axes(rows_SD: Tensor, width: int) -> Tensor:
    """Orthonormal columns [D, width], nearly those along which the rows differ most, by subspace iteration."""
    x_SD = rows_SD - rows_SD.mean(0)
    gen = torch.Generator().manual_seed(0)
    axes_DW = torch.randn(x_SD.shape[1], width, generator=gen, dtype=x_SD.dtype)
    for _ in range(_AXES_ROUNDS):
        axes_DW = torch.linalg.qr(x_SD.T @ (x_SD @ axes_DW)).Q
    # sorted by what they hold, so that a narrower choice is the first of them
    return axes_DW @ torch.linalg.svd(x_SD @ axes_DW, full_matrices=False).Vh.T


def plan(full: FullBlocks, c_KD: Tensor, state: Assignment, calls_to_come: int) -> Plan | None:
    """How to sort the rows for centroids like c_KD, or None where comparing all with all takes less.

    Args:
        full: the rows.
        c_KD: the centroids of the labels.
        state: labels and distances of all rows.
        calls_to_come: how often they will be labelled again.
    """
    n, d = full.x_ND.shape
    k = len(c_KD)
    block = near_rows(k)
    if n < _LEAST_ROWS or _PER_BLOCK / block > _HOPE * k * d or calls_to_come < 1:
        return None
    order_N, starts_J = near_order(state.labels_N.numpy(), c_KD, block)
    ends_J, step = np.append(starts_J[1:], n), max(1, len(starts_J) // _BLOCKS_TRIED)
    tried = [order_N[starts_J[j] : ends_J[j]] for j in range(step // 2, len(starts_J), step)]
    widths = [w for w in _WIDTHS if 3 * w <= d]
    axes_DW = main_axes(full.x_ND[:: max(1, n // _AXES_ROWS)], widths[-1]) if widths else None
    near, thinned = 0.0, dict.fromkeys(widths, 0.0)
    for row_B in tried:
        x_BD, upper_B = full.x_ND[torch.from_numpy(row_B)], state.upper_N[torch.from_numpy(row_B)]
        shares = _shares(x_BD, c_KD, upper_B, axes_DW, widths)
        near += shares[0] / len(tried)
        for width in widths:
            thinned[width] += shares[width] / len(tried)
    rows = n / len(starts_J)
    whole = float(k * d + _PER_BLOCK / 4 / block_rows(k))
    costs = {0: near * k * d + _PER_BLOCK / rows}
    for width in widths:
        costs[width] = near * k * (width + _PER_BOUND) + min(near, thinned[width]) * k * d
        costs[width] += (_PER_BLOCK + _PER_THINNED) / rows

    width = min(costs, key=lambda w: (costs[w], w))
    once = (_PER_COPY + width) * d / calls_to_come
    if costs[width] + once > 0.8 * whole:
        return None
    axes = None if width == 0 or axes_DW is None else axes_DW[:, :width].contiguous()
    return Plan(order_N, starts_J, axes, costs[width] / whole)


def _shares(x_BD: Tensor, c_KD: Tensor, upper_B: Tensor, axes_DW: Tensor | None, widths: list[int]) -> dict[int, float]:
    """The share of the centroids that a block keeps: by the first test (0), and by the second for each width."""
    middle_D = x_BD.mean(0)
    x_BD, c_KD = x_BD - middle_D, c_KD - middle_D
    far_K = c_KD.norm(dim=1)
    close_K = far_K <= (x_BD.norm(dim=1) + upper_B).max() * 1.001
    shares = {0: float(close_K.double().mean())}
    if axes_DW is None:
        return shares
    c_MD = c_KD[close_K]
    lead_BW, lead_MW = x_BD @ axes_DW, c_MD @ axes_DW
    least_B1 = 0.5 * (x_BD.square().sum(1) - upper_B.square())[:, None]
    for width in widths:
        rest_B, rest_M = (
            (v.square().sum(1) - w[:, :width].square().sum(1)).clamp(min=0).sqrt()
            for v, w in ((x_BD, lead_BW), (c_MD, lead_MW))
        )
        bound_BM = lead_BW[:, :width] @ lead_MW[:, :width].T + rest_B[:, None] * rest_M
        bound_BM -= 0.5 * c_MD.square().sum(1)
        shares[width] = float((bound_BM >= least_B1).any(0).sum()) / len(c_KD)
    return shares


def calls_left(made: int, most: int | None) -> int:
    """How many labellings are likely to come after `made` of at most `most`: most runs converge long before."""
    likely = max(_SOON, made)
    return likely if most is None else max(0, min(likely, most - made))


def due(made: int) -> bool:
    """Whether to look again after `made` labellings: after 1, 4, 16, 64, ..."""
    return (math.log2(made) / 2).is_integer()
