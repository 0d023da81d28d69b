"""Which images to label next: typical ones of parts of the collection that have no label yet.

TypiClust (Hacohen, Dekel and Weinshall 2022, "Active learning on a budget: opposite strategies suit high and low
budgets"): rows are grouped into as many clusters as there will be labels, and of the clusters that hold none, the
largest first, the row with the nearest neighbours is taken. With few labels typical images teach more than unusual
ones, which is what makes it differ from choosing by uncertainty. Axes: N rows, D features, K clusters.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.clustering.lloyd import lloyd
from lookalike.core import rng
from lookalike.neighbors.exact import nearest

MOST_ROWS = 20_000
"""Rows looked at, of larger collections a sample."""
_NEIGHBOURS = 20  # whose mean distance is an image's typicality
_MOST_CLUSTERS = 500  # more are neither needed nor cheap; then a cluster gives several
_FEWEST = 5  # rows of a cluster below which it is left for the last, as an accident
_ITERATIONS = 50
_RESTARTS = 3


def typical_rows(x_ND: Tensor, count: int, labelled_L: Tensor, seed: int = 0, most_rows: int = MOST_ROWS) -> Tensor:
    """Rows to label next (int64), the most useful first; none of the labelled, all that are left where fewer are.

    Args:
        x_ND: floating features.
        count: rows to choose.
        labelled_L: int64 rows that have labels already.
        seed: of the clusters.
        most_rows: looked at, or twice as many as are chosen.
    """
    most = max(most_rows, 2 * count)
    if len(x_ND) > most + len(labelled_L):
        order = rng.permutation(seed, "typical/sample", 0, len(x_ND))
        others = order[~torch.isin(order, labelled_L)][:most]
        rows = torch.cat([labelled_L, others])
        return rows[typical_rows(x_ND[rows], count, torch.arange(len(labelled_L)), seed, most_rows)]
    x = F.normalize(x_ND.float() - x_ND.float().mean(0), dim=1)
    count = min(count, len(x) - len(labelled_L))
    if count <= 0:
        return torch.empty(0, dtype=torch.int64)
    clusters = min(count + len(labelled_L), _MOST_CLUSTERS, len(x.unique(dim=0)))
    tries = [
        lloyd(x, clusters, seed=rng.derive(seed, "typical", i), max_iter=_ITERATIONS, tol=1e-4)
        for i in range(_RESTARTS)
    ]
    cluster_N = min(tries, key=lambda clustering: clustering.inertia).labels_N
    members = [(cluster_N == k).nonzero()[:, 0] for k in range(clusters)]
    taken = torch.zeros(len(x), dtype=torch.bool)
    taken[labelled_L] = True
    covered = [int(taken[rows].sum()) for rows in members]
    waiting = [_by_typicality(x, rows, taken) for rows in members]
    chosen: list[int] = []
    while len(chosen) < count:
        open_ones = [k for k in range(clusters) if waiting[k]]
        k = min(open_ones, key=lambda k: (len(members[k]) < _FEWEST, covered[k], -len(members[k]), k))
        chosen.append(waiting[k].pop(0))
        covered[k] += 1
    return torch.tensor(chosen)


def _by_typicality(x_ND: Tensor, rows: Tensor, taken_N: Tensor) -> list[int]:
    """Rows of a cluster that are not taken, the most typical first: those whose nearest in the cluster are near."""
    if len(rows) > 1:
        cosine, _ = nearest(x_ND[rows], x_ND[rows], min(_NEIGHBOURS + 1, len(rows)))
        order = torch.argsort(-cosine[:, 1:].mean(1), stable=True)  # the first is the row itself
        rows = rows[order]
    return rows[~taken_N[rows]].tolist()
