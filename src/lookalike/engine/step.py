"""One training step at the cut: the graph is cut at what a method's `forward` returns.

The loss is differentiated down to the gradients dL/dz of these outputs, which are then pushed through the network. With
one chunk this is an ordinary step. With several it is gradient caching (Gao et al. 2021): the outputs of all chunks are
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

from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.methods.base import Method, Outputs, Projections, like, tensors_of
from lookalike.methods.checks import checked_loss, checked_outputs, raise_unused
from lookalike.methods.momentum import Momentum, recorded, replayed

Part = Callable[[], Tensor]
"""Makes normalised rows [R, C, S, S], the same each time it is called."""


def forward_backward(
    method: Method,
    backbone: FeatureExtractor,
    parts: Sequence[Part],
    targets_BH: Tensor,
    cached: bool = False,
    parallel: DistributedDataParallel | None = None,
) -> tuple[Tensor, Outputs]:
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
        The loss (scalar, detached; this process's share) and what `forward` returned, detached: each tensor
        [B, V, ...], V counting all views.

    Raises:
        LookalikeError: the method returned what it must not; names its line.
    """
    network = parallel or Projections(method)
    if cached:
        out, learns = _without_graph(method, backbone, parts)
    else:
        out = _embed(method, network, backbone, parts)
        learns = [z.requires_grad for z in tensors_of(out)]
    leaves = [_leaf(z, needed) for z, needed in zip(tensors_of(out), learns, strict=True)]
    split = [z.unflatten(0, (-1, len(targets_BH))).transpose(0, 1) for z in leaves]
    loss = checked_loss(method, method.loss(like(out, split), targets_BH, method.comm))
    loss.backward()
    raise_unused(method, leaves)
    # the processes' gradients are averaged, and shares of a loss add up
    gradients = [
        None if leaf.grad is None else leaf.grad.to(z.dtype) * method.comm.size
        for leaf, z in zip(leaves, tensors_of(out), strict=True)
    ]
    if cached:
        start = 0
        with replayed(method):
            for k, part in enumerate(parts):
                last = k + 1 == len(parts)
                with nullcontext() if parallel is None or last else parallel.no_sync():
                    again = _embed(method, network, backbone, [part])
                    stop = start + len(tensors_of(again)[0])
                    _push(again, [None if g is None else g[start:stop] for g in gradients])
                start = stop
    else:
        _push(out, gradients)
    return loss.detach(), like(out, [z.detach() for z in split])


def _embed(method: Method, network: nn.Module, backbone: FeatureExtractor, parts: Sequence[Part]) -> Outputs:
    images = [part().contiguous(memory_format=torch.channels_last) for part in parts]
    return checked_outputs(method, backbone.compute(network, *images), sum(map(len, images)))


def _without_graph(method: Method, backbone: FeatureExtractor, parts: Sequence[Part]) -> tuple[Outputs, list[bool]]:
    """The outputs of all parts, none with its graph, and which of them require gradients."""
    network = Projections(method)
    outs: list[Outputs] = []
    learns: list[bool] = []
    with torch.no_grad(), unchanged(method, but=Momentum), recorded(method):
        for part in parts:
            with nullcontext() if outs else torch.enable_grad():  # only a graph tells which of the outputs learn
                out = _embed(method, network, backbone, [part])
            learns = learns or [z.requires_grad for z in tensors_of(out)]
            outs.append(like(out, [z.detach() for z in tensors_of(out)]))
    return like(outs[0], [torch.cat(z) for z in zip(*map(tensors_of, outs), strict=True)]), learns


def _leaf(z: Tensor, learns: bool) -> Tensor:
    """An output as the loss gets it, in float32 at least: a cosine near 1 in bfloat16 is off by 0.004."""
    z = z.detach()
    if not z.is_floating_point():
        return z
    z = z if z.dtype == torch.float64 else z.float()
    return z.requires_grad_(learns)


def _push(out: Outputs, gradients: Sequence[Tensor | None]) -> None:
    """Push the gradients of outputs through the network."""
    pairs = [(z, g) for z, g in zip(tensors_of(out), gradients, strict=True) if g is not None and z.requires_grad]
    torch.autograd.backward([z for z, _ in pairs], [g for _, g in pairs])


@torch.no_grad()
def average_statistics(method: Method) -> None:
    """Give all processes the mean of their BatchNorm statistics."""
    norms = [m for m in method.modules() if isinstance(m, _BatchNorm)]
    buffers = [b for norm in norms for b in (norm.running_mean, norm.running_var) if b is not None]
    if method.comm.size > 1 and buffers:
        mean = method.comm.sum(torch.cat([b.flatten() for b in buffers])) / method.comm.size
        for buffer, values in zip(buffers, mean.split([b.numel() for b in buffers]), strict=True):
            buffer.copy_(values.view_as(buffer))


@contextmanager
def unchanged(method: Method, but: type[nn.Module] | None = None) -> Iterator[None]:
    """Put back what a forward pass changes: the networks' buffers and PyTorch's generators.

    Buffers of the method itself, such as a memory bank, are not a forward pass's to change. Those of modules of the
    class `but` stay as the pass leaves them.
    """
    before = network_buffers(method, but)
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        put_back(before)


def network_buffers(method: Method, but: type[nn.Module] | None = None) -> list[tuple[list[Tensor], Tensor]]:
    """The buffers of a method's networks, those of one type together, with one copy of what they hold."""
    others = [m for m in method.modules() if isinstance(m, but)] if but is not None else []
    left_out = {id(buffer) for module in others for buffer in module.buffers()}
    alike: dict[torch.dtype, list[Tensor]] = {}
    for child in method.children():
        for buffer in child.buffers():
            if id(buffer) not in left_out:
                alike.setdefault(buffer.dtype, []).append(buffer)
    return [(buffers, torch.cat([buffer.flatten() for buffer in buffers])) for buffers in alike.values()]


@torch.no_grad()
def put_back(copies: list[tuple[list[Tensor], Tensor]]) -> None:
    """Give buffers the values of `network_buffers`."""
    for buffers, values in copies:
        for buffer, value in zip(buffers, values.split([b.numel() for b in buffers]), strict=True):
            buffer.copy_(value.view_as(buffer))
