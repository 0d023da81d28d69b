"""Weighted k-nearest-neighbour classification of features (Wu et al. 2018, section 3.4).

Cosine similarity, the k nearest of a labelled bank, votes weighted by exp(similarity / temperature).
Axes: N images of the bank, Q queries, D features, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lookalike.core.comm import SINGLE, Comm
from lookalike.neighbors.exact import Neighbors, nearest

K = 20
TEMPERATURE = 0.1


def knn_predict(
    bank_ND: Tensor, labels_N: Tensor, query_QD: Tensor, k: int = K, temperature: float = TEMPERATURE
) -> Tensor:
    """Predicted labels (int64 [Q]) of the queries; the vote's scale is exp(cosine / temperature)."""
    return vote(nearest(bank_ND, query_QD, k), labels_N, temperature)


def vote(near: Neighbors, labels_N: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """The label (int64 [Q]) that the nearest rows of each query vote for."""
    similarity_QK, row_QK = near
    classes = int(labels_N.max()) + 1
    weight = torch.exp((similarity_QK - similarity_QK[:, :1]) / temperature)  # scaled by the best: no overflow
    votes = torch.zeros(len(row_QK), classes, dtype=weight.dtype, device=weight.device)
    return votes.scatter_add_(1, labels_N[row_QK], weight).argmax(1)


def knn_accuracy(
    bank_ND: Tensor,
    labels_N: Tensor,
    query_QD: Tensor,
    labels_Q: Tensor,
    k: int = K,
    temperature: float = TEMPERATURE,
    comm: Comm = SINGLE,
) -> float:
    """The share of queries whose label is predicted, in [0, 1]; of several processes each asks for some."""
    mine = slice(comm.rank, None, comm.size)
    predicted = knn_predict(bank_ND, labels_N, query_QD[mine], k, temperature)
    return float(comm.sum((predicted == labels_Q[mine]).double().sum())) / len(query_QD)
