"""Exact nearest rows by cosine: all cosines block by block, or only those that an upper bound does not rule out.

Axes: N rows of a bank, Q queries, D features.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.core.progress import phase
from lookalike.evaluate import bound
from lookalike.evaluate.largest import Largest, largest

_BLOCK = 1024  # queries compared with the bank at once,
_SCORES = 2**26  # or so many that their scores are no more than these, a quarter of a GiB

Near = Largest
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
    with phase("finding nearest images", len(query)) as p:
        for part in query.split(block):
            found = bounds.nearest(part, k) if bounds is not None else None
            if found is None:
                scores = bank.new_empty(block, len(bank)) if scores is None else scores
                found = largest(torch.mm(part, bank.T, out=scores[: len(part)]), k)
            near.append(found)
            p.step(len(part))
    similarity, row = zip(*near, strict=True)
    return torch.cat(similarity), torch.cat(row)
