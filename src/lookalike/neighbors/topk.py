"""The largest scores of each row, sooner than by `topk`.

Axes: B rows, N scores, C candidates.
"""

from __future__ import annotations

import torch
from torch import Tensor

GROUP = 16  # scores of which only the largest is looked at first

TopK = tuple[Tensor, Tensor]
"""Values [B, k], falling, and where they are [B, k]."""


def largest(score_BN: Tensor, k: int) -> TopK:
    """The k largest of each row, falling, and where they are: what `topk` gives, sooner.

    They are in the k groups of GROUP scores whose largest are largest, and in what is left beside whole
    groups; the maxima of all groups are found in one pass over whole vectors.
    """
    groups = score_BN.shape[1] // GROUP
    if groups <= 2 * k:
        value, row = score_BN.topk(k, dim=1)
        return value, row
    whole = groups * GROUP
    group_BK = score_BN[:, :whole].view(len(score_BN), GROUP, groups).amax(1).topk(k, dim=1).indices
    at_BC = (group_BK[:, None] + groups * torch.arange(GROUP, device=score_BN.device)[:, None]).flatten(1)
    rest = torch.arange(whole, score_BN.shape[1], device=score_BN.device)
    at_BC = torch.cat([at_BC, rest.expand(len(score_BN), -1)], 1)
    value, place = score_BN.gather(1, at_BC).topk(k, dim=1)
    return value, at_BC.gather(1, place)
