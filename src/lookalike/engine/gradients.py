"""The gradients of a training step: in chunks where a graph does not fit, in smaller ones where a GPU is full."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from lookalike.core.errors import LookalikeError
from lookalike.core.options import TrainOptions
from lookalike.encoders.alexnet import Dropout
from lookalike.engine.distributed import parallel
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.engine.memory import chunk_size
from lookalike.engine.shared_norm import share_norms
from lookalike.engine.step import forward_backward, network_buffers, put_back
from lookalike.engine.views import Views
from lookalike.methods.base import Method, Outputs


class Gradients:
    """Adds up the gradients of batches of `rows`, of which `share` images each are this process's."""

    def __init__(self, method: Method, backbone: FeatureExtractor, views: Views, rows: Tensor, share: int) -> None:
        self.method, self.backbone, self.views, self.rows, self.share = method, backbone, views, rows, share
        self.chunk: int | None = None
        """Images whose graph is held at once; None: all of a batch."""
        self.parallel: DistributedDataParallel | None = None

    def measure(self, options: TrainOptions) -> None:
        """Choose the chunk, as asked for or as memory allows."""
        self.chunk = chunk_size(options, self.method, self.backbone, self.views, self.rows, self.share)

    def join(self, sync_norm: bool) -> None:
        """From here on the processes exchange gradients, and statistics where that is asked for."""
        comm = self.method.comm
        if comm.size == 1:
            return
        if sync_norm:
            share_norms(self.method, comm)
        for dropout in (module for module in self.method.modules() if isinstance(module, Dropout)):
            dropout.stream = comm.rank
        self.parallel = parallel(self.method)

    def add(
        self, epoch: int, local_B: Tensor, targets_BH: Tensor, say: Callable[[str], None]
    ) -> tuple[Tensor, Outputs]:
        """Loss and outputs of a batch, its gradients added up; `say` is told of a full GPU.

        Raises:
            LookalikeError: not even the graph of one image fits, or one of several processes finds its GPU full.
        """
        while True:
            before = network_buffers(self.method) if self.backbone.device.startswith("cuda") else []
            try:
                parts = self.views.parts(epoch, self.rows[local_B], self.chunk)
                cached = self.chunk is not None
                return forward_backward(self.method, self.backbone, parts, targets_BH, cached, self.parallel)
            except torch.OutOfMemoryError as error:
                self._halve(error)
            # outside of the handler, which would keep the failed step's tensors alive
            put_back(before)
            self.method.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
            say(f"the GPU's memory is full: this step again, and all others, in chunks of {self.chunk}")

    def _halve(self, error: torch.OutOfMemoryError) -> None:
        chunk, comm = (self.chunk or self.share) // 2, self.method.comm
        if comm.size > 1:  # the others are past the point where they could be told
            raise LookalikeError(
                f"the GPU of process {comm.rank} is full; start anew with --micro-batch {max(1, chunk)}"
            ) from error
        if chunk < 1:
            raise LookalikeError(
                "the GPU's memory does not hold one image's graph; free some of it, or choose a smaller "
                "network or image size (--encoder, --image-size)"
            ) from error
        self.chunk = chunk
