"""Features averaged over the nearest of many rows without labels: what they have in common stays, the rest evens out.

Where labels are few, what misleads is that a single image stands for its class with all that is special about it. The
mean of its surroundings has less of that. It is one step of propagation over the graph of neighbours applied to
features in place of labels (Wu et al. 2019, "Simplifying graph convolutional networks"), here from rows to a bank, so
that new rows are smoothed by what is known and not by each other. Axes: M rows of the bank, Q others, D features.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.evaluate.knn import TEMPERATURE
from lookalike.neighbors.exact import nearest

NEIGHBOURS = 20
STEPS = 2
_BLOCK = 1024  # rows averaged at once


def smoothed(bank_MD: Tensor, query_QD: Tensor, steps: int = STEPS) -> tuple[Tensor, Tensor]:
    """Both sets of rows, of length 1, each the mean of its nearest in the bank, so many times over.

    Args:
        bank_MD: floating features of rows whose labels, if any, are not asked for.
        query_QD: floating features of other rows, or of some of the same.
        steps: how often; 0 gives the rows less the bank's mean.
    """
    mean_D = bank_MD.float().mean(0)
    bank, query = (F.normalize(x.float() - mean_D, dim=1) for x in (bank_MD, query_QD))
    for _ in range(steps):
        bank, query = _averaged(bank, bank), _averaged(bank, query)
    return bank, query


def _averaged(bank_MD: Tensor, query_QD: Tensor) -> Tensor:
    parts = []
    for part in query_QD.split(_BLOCK):
        cosine_QK, near_QK = nearest(bank_MD, part, NEIGHBOURS)
        weight_QK = F.softmax(cosine_QK / TEMPERATURE, dim=1)
        parts.append(F.normalize(torch.einsum("qk,qkd->qd", weight_QK, bank_MD[near_QK]), dim=1))
    return torch.cat(parts)
