"""The nearest images of an image, and how often they are of its class: the paper's "closest 20" as a number."""

from __future__ import annotations

import torch
from torch import Tensor

from lookalike.evaluate.knn import K, vote
from lookalike.neighbors.exact import Neighbors as Near
from lookalike.neighbors.exact import nearest


def accuracy_and_same_class(
    bank_ND: Tensor, labels_N: Tensor, query_QD: Tensor, labels_Q: Tensor, k: int = K
) -> tuple[float, float]:
    """kNN accuracy, and the share of the nearest rows that have the query's label; both are of the same neighbours.

    Args:
        bank_ND: floating features to look among; the queries are not in it.
        labels_N: int64 labels.
        query_QD: floating features.
        labels_Q: int64 labels.
        k: neighbours of a query, at most N.

    Returns:
        Two shares in [0, 1].
    """
    near = nearest(bank_ND, query_QD, k)
    return float((vote(near, labels_N) == labels_Q).double().mean()), _same_class(near, labels_N, labels_Q)


def other_neighbours(x_ND: Tensor, k: int = 10) -> Tensor:
    """The k nearest other rows of each row by cosine of centred features, int64 [N, min(k, N - 1)]."""
    x_ND = x_ND.float()
    x_ND = x_ND - x_ND.mean(0)
    near_NB = nearest(x_ND, x_ND, k + 1)[1]
    own_N1 = torch.arange(len(x_ND))[:, None]
    last_N = (near_NB != own_N1).all(1)  # of equal rows it may not be its own nearest
    near_NB[last_N, -1] = own_N1[last_N, 0]
    return near_NB[near_NB != own_N1].reshape(len(x_ND), -1)


def shared_neighbours(a_NK: Tensor, b_NK: Tensor) -> float | None:
    """The share of the rows in `a_NK` that are in the same row of `b_NK` too; None without any."""
    if not a_NK.numel():
        return None
    return float((a_NK[:, :, None] == b_NK[:, None, :]).any(2).double().mean())


def _same_class(near: Near, labels_N: Tensor, labels_Q: Tensor) -> float:
    return float((labels_N[near[1]] == labels_Q[:, None]).double().mean())
