"""One training step at the cut: the graph is cut at the projections z.

The loss is differentiated down to dL/dz, then dL/dz is pushed through the network. With one chunk this
is an ordinary step; it is written so that chunks and processes can come between the two halves.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lookalike.engine.backbone import Backbone
from lookalike.methods.base import Method


def forward_backward(
    method: Method, backbone: Backbone, views: Sequence[Tensor], targets_BH: Tensor
) -> tuple[Tensor, Tensor]:
    """Add the gradients of one batch to the method's parameters.

    Args:
        method: its parameters' `.grad` must be None or what is to be added to.
        backbone: says in which arithmetic the network computes.
        views: normalised views [V, B, C, S, S], one block of B images after the other; a tensor for each
            size, in the order of the views.
        targets_BH: what tells the images apart.

    Returns:
        The loss (scalar, detached) and the projections z_BVP (detached), V counting all views.
    """
    images = views[0].shape[1]
    with backbone.autocast():
        parts = [method.embed(x_VBCHW.flatten(0, 1).contiguous(memory_format=torch.channels_last)) for x_VBCHW in views]
    z_RP = torch.cat(parts) if len(parts) > 1 else parts[0]
    leaf_RP = z_RP.detach()
    # losses are computed in float32 at least: a cosine near 1 in bfloat16 is off by 0.004
    leaf_RP = (leaf_RP if leaf_RP.dtype == torch.float64 else leaf_RP.float()).requires_grad_()
    z_BVP = leaf_RP.unflatten(0, (-1, images)).transpose(0, 1)
    loss = method.loss(z_BVP, targets_BH)
    loss.backward()
    assert leaf_RP.grad is not None  # every loss depends on z
    z_RP.backward(leaf_RP.grad.to(z_RP.dtype))
    return loss.detach(), z_BVP.detach()
