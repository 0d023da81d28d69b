"""The gradients of a training step, in smaller chunks where a GPU turns out to be full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lookalike.core.errors import LookalikeError
from lookalike.engine.step import forward_backward, network_buffers, put_back

if TYPE_CHECKING:
    from lookalike.engine.loop import Trainer


def gradients(trainer: Trainer, epoch: int, local_B: Tensor, targets_BH: Tensor) -> tuple[Tensor, Any]:
    """Loss and outputs of a batch, its gradients added up; smaller chunks where a GPU is full.

    Raises:
        LookalikeError: not even the graph of one image fits, or one of several processes finds its GPU full.
    """
    while True:
        before = network_buffers(trainer.method) if trainer.backbone.device.startswith("cuda") else []
        try:
            parts = trainer.views.parts(epoch, trainer.rows[local_B], trainer.chunk)
            cached = trainer.chunk is not None
            return forward_backward(trainer.method, trainer.backbone, parts, targets_BH, cached, trainer.parallel)
        except torch.OutOfMemoryError as error:
            chunk = (trainer.chunk or trainer.share) // 2
            if trainer.ranks.size > 1:  # the others are past the point where they could be told
                raise LookalikeError(
                    f"the GPU of process {trainer.ranks.rank} is full; start anew with --micro-batch {max(1, chunk)}"
                ) from error
            if chunk < 1:
                raise LookalikeError(
                    "the GPU's memory does not hold one image's graph; free some of it, or choose a smaller "
                    "network or image size (--encoder, --image-size)"
                ) from error
            trainer.chunk = chunk
        # outside of the handler, which would keep the failed step's tensors alive
        put_back(before)
        trainer.optimizer.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        trainer.journal.say(f"the GPU's memory is full: this step again, and all others, in chunks of {trainer.chunk}")
