"""An epoch in which every cluster is seen equally often (DeepCluster, Caron et al. 2018, section 3.3).

Clusters of natural size would let the network answer with the largest one. The order holds original row
numbers. The released code reads such numbers as positions in a list sorted by cluster, and thereby
draws every cluster in proportion to its size again.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lookalike.core import rng
from lookalike.core.errors import LookalikeError


def balanced_order(labels_N: Tensor, *, seed: int, epoch: int, length: int | None = None) -> Tensor:
    """Rows to visit in an epoch, as many of each of the K non-empty clusters up to one.

    From every cluster length // K + 1 rows are drawn, with replacement where it has no more rows than
    that; all are shuffled and the order is cut to `length`.

    Args:
        labels_N: cluster of each row, any integers; numbers without rows are skipped.
        seed: with `epoch` decides all draws.
        epoch: another epoch, other draws.
        length: rows in the order; as many as there are labels by default.

    Returns:
        order_M (int64, CPU): row numbers in 0..N-1, M = length.

    Raises:
        LookalikeError: there are no labels.
    """
    n = len(labels_N)
    if n == 0:
        raise LookalikeError("there are no labels to balance")
    length = n if length is None else length
    _, cluster_N, size_K = labels_N.cpu().unique(return_inverse=True, return_counts=True)
    per = length // len(size_K) + 1
    # Rows sorted by cluster, in random order within each: the first rows of a cluster are a draw without
    # replacement. (Sorted by a random key, then stably by cluster.)
    row_N = rng.permutation(seed, "balance.within", epoch, n)
    row_N = row_N[torch.argsort(cluster_N[row_N], stable=True)]
    start_K1 = (size_K.cumsum(0) - size_K)[:, None]
    slot_KP = torch.arange(len(size_K) * per).view(-1, per)
    again_KP = rng.bits(seed, "balance.again", epoch, slot_KP.flatten()).view(-1, per) % size_K[:, None]
    drawn_KP = torch.where(size_K[:, None] > per, torch.arange(per), again_KP)
    order = row_N[(start_K1 + drawn_KP).flatten()]
    return order[rng.permutation(seed, "balance.order", epoch, len(order))[:length]]
