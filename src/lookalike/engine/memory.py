"""How many images fit into memory at once: measured on a few, not found out by crashing."""

from __future__ import annotations

import torch
from torch import Tensor

from lookalike.core.errors import LookalikeError
from lookalike.core.machine import free_bytes, parse_bytes, processes_here
from lookalike.core.options import TrainOptions
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.engine.step import unchanged
from lookalike.engine.views import Views
from lookalike.methods.base import Method

_PROBE = 8  # images measured
_SHARE = 0.7  # of the free memory that the graph of a chunk may take; temporaries need the rest


def graph_bytes(method: Method, backbone: FeatureExtractor, views: Views, rows: Tensor) -> float:
    """Bytes that a graph keeps per image, all its views together; parameters are not counted."""
    parameters = {p.untyped_storage().data_ptr() for p in method.parameters()}
    bytes_held: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            bytes_held[storage.data_ptr()] = storage.nbytes()
        return tensor

    outputs = []  # held until all is counted: a freed address would be counted once for two tensors
    with unchanged(method), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        for part in views.parts(0, rows):
            outputs.append(backbone.compute(method, part()))
    return sum(bytes_held.values()) / len(rows)


def largest_chunk(
    method: Method, backbone: FeatureExtractor, views: Views, rows: Tensor, batch: int, memory: str | None
) -> int | None:
    """Images of the largest chunk whose graph fits; None where the whole batch does.

    Args:
        method: in train mode.
        backbone: how it computes.
        views: of the images.
        rows: a few of them are measured.
        batch: images of a batch.
        memory: what may be used, such as "4GB"; None for most of what is free.

    Raises:
        LookalikeError: not even one image fits.
    """
    each = graph_bytes(method, backbone, views, rows[:_PROBE])
    room = parse_bytes(memory) if memory else free_bytes(backbone.device)
    if memory is None and backbone.device == "cpu":
        room //= processes_here()
    fit = int(_SHARE * room / max(1.0, each))
    if fit >= batch:
        return None
    if fit < 2:
        raise LookalikeError(
            f"the graph of two images takes {2 * each / 2**20:,.2f} MiB, and {room / 2**20:,.2f} MiB may be used; "
            "choose a smaller network or image size (--encoder, --image-size), or allow more (--memory)"
        )
    return fit if fit < 8 else fit // 8 * 8


def chunk_size(
    options: TrainOptions, method: Method, backbone: FeatureExtractor, views: Views, rows: Tensor, share: int
) -> int | None:
    """Images whose graph is held at once, as asked for or as memory allows; None for all of a process's `share`."""
    chunk = share
    if options.micro_batch != "auto":
        chunk = min(chunk, int(options.micro_batch))
    else:
        fits = largest_chunk(method, backbone, views, rows, share, options.memory)
        chunk = int(method.comm.gather(torch.tensor([fits or share])).min())
    return chunk if chunk < share else None
