"""One training step at the cut: the graph is cut at the projections z.

The loss is differentiated down to dL/dz, then dL/dz is pushed through the network. With one chunk this
is an ordinary step. With several it is gradient caching (Gao et al. 2021): the projections of all chunks are
computed without a graph, and each chunk again with one when its share of dL/dz is known, so that the memory
of one chunk serves a batch of any size and the loss still sees all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from lookalike.engine.backbone import Backbone
from lookalike.methods.base import Method

Part = Callable[[], Tensor]
"""Makes normalised rows [R, C, S, S], the same each time it is called."""


def forward_backward(
    method: Method, backbone: Backbone, parts: Sequence[Part], targets_BH: Tensor, cached: bool = False
) -> tuple[Tensor, Tensor]:
    """Add the gradients of one batch to the method's parameters.

    Args:
        method: its parameters' `.grad` must be None or what is to be added to.
        backbone: says in which arithmetic the network computes.
        parts: make the normalised views of B images, together V * B rows, view after view.
        targets_BH: what tells the images apart.
        cached: hold the graph of one part at a time, at the price of a second forward pass.

    Returns:
        The loss (scalar, detached) and the projections z_BVP (detached), V counting all views.
    """
    if cached:
        with torch.no_grad(), unchanged(method):
            z_RP = torch.cat([_embed(method, backbone, part) for part in parts])
    else:
        outputs = [_embed(method, backbone, part) for part in parts]
        z_RP = torch.cat(outputs) if len(outputs) > 1 else outputs[0]
    leaf_RP = z_RP.detach()
    # losses are computed in float32 at least: a cosine near 1 in bfloat16 is off by 0.004
    leaf_RP = (leaf_RP if leaf_RP.dtype == torch.float64 else leaf_RP.float()).requires_grad_()
    z_BVP = leaf_RP.unflatten(0, (-1, len(targets_BH))).transpose(0, 1)
    loss = method.loss(z_BVP, targets_BH)
    loss.backward()
    assert leaf_RP.grad is not None  # every loss depends on z
    gradient_RP = leaf_RP.grad.to(z_RP.dtype)
    if cached:
        start = 0
        for part in parts:
            z_part = _embed(method, backbone, part)
            z_part.backward(gradient_RP[start : start + len(z_part)])
            start += len(z_part)
    else:
        z_RP.backward(gradient_RP)
    return loss.detach(), z_BVP.detach()


def _embed(method: Method, backbone: Backbone, part: Part) -> Tensor:
    with backbone.autocast():
        return method.embed(part().contiguous(memory_format=torch.channels_last))


@contextmanager
def unchanged(method: Method) -> Iterator[None]:
    """Put back what a forward pass changes: the network's buffers and PyTorch's generators.

    Buffers of the method itself, such as a memory bank, are not a forward pass's to change.
    """
    before = network_buffers(method)
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        put_back(before)


def network_buffers(method: Method) -> list[tuple[Tensor, Tensor]]:
    """Each buffer of a method's networks with a copy of what it holds."""
    return [(buffer, buffer.clone()) for child in method.children() for buffer in child.buffers()]


@torch.no_grad()
def put_back(buffers: list[tuple[Tensor, Tensor]]) -> None:
    """Give buffers the values of `network_buffers`."""
    for buffer, value in buffers:
        buffer.copy_(value)
