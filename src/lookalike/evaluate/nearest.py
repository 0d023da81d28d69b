"""Exact nearest rows by cosine: all cosines block by block, or only those that an upper bound does not rule out.

Axes: N rows of a bank, Q queries, D features, B queries of a block.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.evaluate import bound

_BLOCK = 1024  # queries compared with the bank at once,
_SCORES = 2**26  # or so many that their scores are no more than these, a quarter of a GiB
_GROUP = 16  # scores of which only the largest is looked at first

Near = tuple[Tensor, Tensor]
"""What `nearest` gives: cosines [Q, k] and rows [Q, k]."""


def nearest(bank_ND: Tensor, query_QD: Tensor, k: int) -> Near:
    """The k most similar rows of the bank: cosines (float32 [Q, k]), falling, and rows (int64 [Q, k]); exact.

    All N rows are given where k is larger.
    """
    bank, query = (F.normalize(x.float(), dim=1) for x in (bank_ND, query_QD))
    k = min(k, len(bank))
    bounds = bound.worthwhile(bank, query, k)
    block = max(1, min(_BLOCK, _SCORES // max(1, len(bank)), len(query)))
    scores = None  # written again by every block
    near = []
    for part in query.split(block):
        found = bounds.nearest(part, k) if bounds is not None else None
        if found is None:
            scores = bank.new_empty(block, len(bank)) if scores is None else scores
            found = _largest(torch.mm(part, bank.T, out=scores[: len(part)]), k)
        near.append(found)
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
