"""Weighted k-nearest-neighbour classification of features (Wu et al. 2018, section 3.4).

Cosine similarity, the k nearest of a labelled bank, votes weighted by exp(similarity / temperature).
Axes: N images of the bank, Q queries, D features, K classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.core.ranks import ALONE, Ranks

K = 20
TEMPERATURE = 0.1
_BLOCK = 1024  # queries compared with the bank at once
_GROUP = 16  # scores of which only the largest is looked at first

Near = tuple[Tensor, Tensor]
"""What `nearest` gives: cosines [Q, k] and rows [Q, k]."""


def nearest(bank_ND: Tensor, query_QD: Tensor, k: int) -> Near:
    """The k most similar rows of the bank: cosines [Q, k], falling, and rows [Q, k]; exact, in blocks."""
    bank = F.normalize(bank_ND.float(), dim=1)
    scores = bank.new_empty(min(_BLOCK, len(query_QD)), len(bank))  # written again by every block
    near = []
    for query in query_QD.split(_BLOCK):
        cosine_BN = torch.mm(F.normalize(query.float(), dim=1), bank.T, out=scores[: len(query)])
        near.append(_largest(cosine_BN, min(k, len(bank))))
    similarity, row = zip(*near, strict=True)
    return torch.cat(similarity), torch.cat(row)


def _largest(score_BN: Tensor, k: int) -> Near:
    """The k largest of each row, falling, and where they are: what `topk` gives, sooner.

    They are in the k groups of _GROUP scores whose largest are largest, and in what is left beside whole
    groups; the maxima of all groups are found in one pass over whole vectors.
    """
    groups = score_BN.shape[1] // _GROUP
    if groups <= 2 * k:
        value, row = score_BN.topk(k, dim=1)
        return value, row
    whole = groups * _GROUP
    group_BK = score_BN[:, :whole].view(len(score_BN), _GROUP, groups).amax(1).topk(k, dim=1).indices
    at_BC = (group_BK[:, None] + groups * torch.arange(_GROUP, device=score_BN.device)[:, None]).flatten(1)
    rest = torch.arange(whole, score_BN.shape[1], device=score_BN.device)
    at_BC = torch.cat([at_BC, rest.expand(len(score_BN), -1)], 1)
    value, place = score_BN.gather(1, at_BC).topk(k, dim=1)
    return value, at_BC.gather(1, place)


def knn_predict(
    bank_ND: Tensor, labels_N: Tensor, query_QD: Tensor, k: int = K, temperature: float = TEMPERATURE
) -> Tensor:
    """Predicted labels (int64 [Q]) of the queries; the vote's scale is exp(cosine / temperature)."""
    return vote(nearest(bank_ND, query_QD, k), labels_N, temperature)


def vote(near: Near, labels_N: Tensor, temperature: float = TEMPERATURE) -> Tensor:
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
    ranks: Ranks = ALONE,
) -> float:
    """The share of queries whose label is predicted, in [0, 1]; of several processes each asks for some."""
    mine = slice(ranks.rank, None, ranks.size)
    predicted = knn_predict(bank_ND, labels_N, query_QD[mine], k, temperature)
    return float(ranks.sum((predicted == labels_Q[mine]).double().sum())) / len(query_QD)
