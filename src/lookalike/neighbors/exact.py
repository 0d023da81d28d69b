"""Exact nearest rows by cosine: all cosines block by block, or only those that an upper bound does not rule out.

Axes: N rows of a bank, Q queries, D features.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.core.progress import phase
from lookalike.neighbors import pruning
from lookalike.neighbors.topk import TopK, largest

BLOCK = 1024
"""Queries compared with the bank at once."""
SCORES = 2**26
"""Scores held at once at the most, a quarter of a GiB."""

Neighbors = TopK
"""What `nearest` gives: cosines [Q, k] and rows [Q, k]."""


def nearest(bank_ND: Tensor, query_QD: Tensor, k: int, *, block: int = BLOCK, scores: int = SCORES) -> Neighbors:
    """The k most similar rows of the bank for each query.

    Args:
        bank_ND: features; converted to float32.
        query_QD: features of the queries; converted to float32.
        k: neighbours of a query; min(k, N) are given.
        block: queries compared with the bank at once, at the most.
        scores: similarities held at once, at the most.

    Returns:
        Cosines (float32 [Q, k], falling) and rows (int64 [Q, k]); exact up to the rounding of float32.
    """
    bank, query = (F.normalize(x.float(), dim=1) for x in (bank_ND, query_QD))
    k = min(k, len(bank))
    pruned = pruning.choose(bank, query, k)
    at_once = queries_at_once(len(bank), len(query), block, scores)
    buffer = None  # written again by every block
    neighbors = []
    with phase("finding nearest images", len(query)) as p:
        for part in query.split(at_once):
            near = pruned.nearest(part, k) if pruned is not None else None
            if near is None:
                buffer = bank.new_empty(at_once, len(bank)) if buffer is None else buffer
                near = largest(torch.mm(part, bank.T, out=buffer[: len(part)]), k)
            neighbors.append(near)
            p.step(len(part))
    similarity, row = zip(*neighbors, strict=True)
    return torch.cat(similarity), torch.cat(row)


def queries_at_once(n: int, queries: int, block: int, scores: int) -> int:
    """How many of the queries are compared with n rows at once, at least 1."""
    return max(1, min(block, scores // max(1, n), queries))


def own_ranks(rows_ND: Tensor, views_ND: Tensor) -> tuple[Tensor, Tensor]:
    """The rank of each view's own row among all rows, by cosine of features less the mean of the rows.

    Ties count against a view: of features that are all equal each has rank N.

    Args:
        rows_ND: features.
        views_ND: row n is a view of row n of `rows_ND`.

    Returns:
        Ranks (int64 [N], 1 to N) and the cosines of the views with their own rows (float32 [N]).
    """
    centre = rows_ND.float().mean(0)
    row, view = (F.normalize(x_ND.float() - centre, dim=1) for x_ND in (rows_ND, views_ND))
    similarity = view @ row.T
    own_similarity = similarity.diagonal()
    return (similarity >= own_similarity[:, None]).sum(1), own_similarity
