"""One training step at the cut: the graph is cut at the projections z.

The loss is differentiated down to dL/dz, then dL/dz is pushed through the network. With one chunk this
is an ordinary step. With several it is gradient caching (Gao et al. 2021): the projections of all chunks are
computed without a graph, and each chunk again with one when its share of dL/dz is known, so that the memory
of one chunk serves a batch of any size and the loss still sees all of it. With several processes each embeds its
images, and parameter gradients are exchanged while the last chunk's are still being computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from lookalike.engine.backbone import Backbone
from lookalike.methods.base import Method, Projections

Part = Callable[[], Tensor]
"""Makes normalised rows [R, C, S, S], the same each time it is called."""


def forward_backward(
    method: Method,
    backbone: Backbone,
    parts: Sequence[Part],
    targets_BH: Tensor,
    cached: bool = False,
    parallel: DistributedDataParallel | None = None,
) -> tuple[Tensor, Tensor]:
    """Add the gradients of one batch to the method's parameters.

    Of several processes each is given its images, as many as every other, and all get the gradients of the batch.

    Args:
        method: its parameters' `.grad` must be None or what is to be added to.
        backbone: says in which arithmetic the network computes.
        parts: make the normalised views of B images, together V * B rows, view after view.
        targets_BH: what tells the images apart.
        cached: hold the graph of one part at a time, at the price of a second forward pass.
        parallel: the method's `Projections` as several processes share them.

    Returns:
        The loss (scalar, detached; this process's share) and the projections z_BVP (detached), V counting all views.
    """
    network = parallel or Projections(method)
    if cached:
        with torch.no_grad(), unchanged(method):
            z_RP = torch.cat([_embed(Projections(method), backbone, [part]) for part in parts])
    else:
        z_RP = _embed(network, backbone, parts)
    leaf_RP = z_RP.detach()
    # losses are computed in float32 at least: a cosine near 1 in bfloat16 is off by 0.004
    leaf_RP = (leaf_RP if leaf_RP.dtype == torch.float64 else leaf_RP.float()).requires_grad_()
    z_BVP = leaf_RP.unflatten(0, (-1, len(targets_BH))).transpose(0, 1)
    loss = method.loss(z_BVP, targets_BH)
    loss.backward()
    assert leaf_RP.grad is not None  # every loss depends on z
    # the processes' gradients are averaged, and shares of a loss add up
    gradient_RP = leaf_RP.grad.to(z_RP.dtype) * method.ranks.size
    if cached:
        start = 0
        for k, part in enumerate(parts):
            last = k + 1 == len(parts)
            with nullcontext() if parallel is None or last else parallel.no_sync():
                z_part = _embed(network, backbone, [part])
                z_part.backward(gradient_RP[start : start + len(z_part)])
            start += len(z_part)
    else:
        z_RP.backward(gradient_RP)
    return loss.detach(), z_BVP.detach()


def _embed(network: nn.Module, backbone: Backbone, parts: Sequence[Part]) -> Tensor:
    return backbone.compute(network, *(part().contiguous(memory_format=torch.channels_last) for part in parts))


@torch.no_grad()
def average_statistics(method: Method) -> None:
    """Give all processes the mean of their BatchNorm statistics."""
    norms = [m for m in method.modules() if isinstance(m, _BatchNorm)]
    found = [b for norm in norms for b in (norm.running_mean, norm.running_var) if b is not None]
    if method.ranks.size > 1 and found:
        mean = method.ranks.sum(torch.cat([b.flatten() for b in found])) / method.ranks.size
        for buffer, values in zip(found, mean.split([b.numel() for b in found]), strict=True):
            buffer.copy_(values.view_as(buffer))


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


def network_buffers(method: Method) -> list[tuple[list[Tensor], Tensor]]:
    """The buffers of a method's networks, those of one type together, with one copy of what they hold."""
    alike: dict[torch.dtype, list[Tensor]] = {}
    for child in method.children():
        for buffer in child.buffers():
            alike.setdefault(buffer.dtype, []).append(buffer)
    return [(buffers, torch.cat([buffer.flatten() for buffer in buffers])) for buffers in alike.values()]


@torch.no_grad()
def put_back(kept: list[tuple[list[Tensor], Tensor]]) -> None:
    """Give buffers the values of `network_buffers`."""
    for buffers, values in kept:
        for buffer, value in zip(buffers, values.split([b.numel() for b in buffers]), strict=True):
            buffer.copy_(value.view_as(buffer))
