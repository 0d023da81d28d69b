"""Cross-entropy of several heads over several views, against one target per image and head."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from lookalike.core.comm import SINGLE, Comm
from lookalike.core.earlier_names import also_called

IGNORED = -100
"""A target that contributes neither loss nor gradient."""


@also_called("ranks", "comm")
def cross_entropy(logits_BVHK: Tensor, targets_BH: Tensor, smoothing: float = 0.0, comm: Comm = SINGLE) -> Tensor:
    """Mean cross-entropy in nats; every view of an image has that image's target.

    Args:
        logits_BVHK: floating logits of B images, V views, H heads, K classes.
        targets_BH: int64 classes, or `IGNORED`.
        smoothing: share of each target that is spread over all K classes (Szegedy et al. 2016, section 7).
        comm: the processes that hold the batch together.

    Returns:
        The mean over all rows that are not ignored; 0 (with zero gradients) where all are. Of several
        processes each has its share of that; the shares add up.
    """
    _, views, _, k = logits_BVHK.shape
    targets_BVH = targets_BH[:, None].expand(-1, views, -1)
    total = F.cross_entropy(
        logits_BVHK.reshape(-1, k),
        targets_BVH.reshape(-1),
        ignore_index=IGNORED,
        reduction="sum",
        label_smoothing=smoothing,
    )
    return total / comm.sum((targets_BVH != IGNORED).sum()).clamp_min(1)
