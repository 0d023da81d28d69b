"""The means of clusters: sums of rows by label, in one pass, and what becomes of clusters without rows.

Axes: N rows, D features, K clusters, C chunks of rows.
"""

from __future__ import annotations

import heapq

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.core.workers import Workers

_CHUNK = 64  # rows added up in the rows' own precision; chunks are then added up in float64
_CHUNKS = 256  # chunks that a thread takes at a time
FEW = 4096
"""Rows on a CPU up to which they are added up one after the other in float64, as that takes one call."""
_SPLIT = 1 / 1024  # how far the two halves of a split cluster are moved apart, relative


def sums_and_counts(
    x_ND: Tensor,
    labels_N: Tensor,
    k: int,
    workers: Workers | None = None,
    weights_N: Tensor | None = None,
    few: int = FEW,
) -> tuple[Tensor, Tensor]:
    """The sum of the rows of each label (float64 [K, D]) and their number (int64 [K]); of weighted rows the weighted
    sum and the sum of the weights (float64 [K]).

    Those of parts of the data add up to those of all of it. Rows are gathered in the order of their labels,
    one pass without a loop over clusters; chunks of 64 keep float32 from losing small rows to large sums.
    """
    counts_K = torch.bincount(labels_N, minlength=k)
    if len(x_ND) <= few and x_ND.device.type == "cpu" and weights_N is None:
        sums_KD = torch.zeros(k, x_ND.shape[1], dtype=torch.float64)
        return sums_KD.index_add_(0, labels_N, x_ND.double()), counts_K
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
        rows, starts = order_N[first:last], start_C[chunks] - first
        weights = None if weights_N is None else weights_N[rows]
        bags_CD = F.embedding_bag(rows, x_ND, starts, mode="sum", per_sample_weights=weights)
        part_CD[chunks] = bags_CD.double()

    if workers is None or x_ND.device.type != "cpu":  # a GPU takes all at once, and is asked for two numbers, not many
        add(slice(0, len(start_C)))
    else:
        workers.for_blocks(add, len(start_C), _CHUNKS)
    # a second embedding_bag and not index_add_, which adds in no fixed order on a GPU
    sums_KD = F.embedding_bag(torch.arange(len(part_CD), device=x_ND.device), part_CD, first_K, mode="sum")
    if weights_N is not None:
        counts_K = torch.bincount(labels_N, weights_N.double(), minlength=k)
    return sums_KD, counts_K


def means(sums_KD: Tensor, counts_K: Tensor) -> tuple[Tensor, int]:
    """Means (float64 [K, D]), empty clusters refilled, and how many of them there were.

    Each empty cluster takes half of the cluster that is the largest at its turn: both get its mean, one
    with the coordinates multiplied by 1 + 1/1024 and 1 - 1/1024 in turn, the other the other way round.
    """
    means_KD = sums_KD / torch.where(counts_K > 0, counts_K, 1)[:, None]
    empty = (counts_K <= 0).nonzero()[:, 0].tolist()
    if empty:
        largest = [(-count, i) for i, count in enumerate(counts_K.tolist()) if count > 0]
        heapq.heapify(largest)
        sign_D = 1 - 2 * (torch.arange(sums_KD.shape[1], device=sums_KD.device) % 2)
        for i in empty:
            count, donor = largest[0]
            half = -count // 2 if isinstance(count, int) else -count / 2
            means_KD[i] = means_KD[donor] * (1 + _SPLIT * sign_D)
            means_KD[donor] *= 1 - _SPLIT * sign_D
            heapq.heapreplace(largest, (count + half, donor))
            heapq.heappush(largest, (-half, i))
    return means_KD, len(empty)
