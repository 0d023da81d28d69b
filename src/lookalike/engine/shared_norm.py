"""BatchNorm over the rows of all processes (`--sync-norm`), on any device.

PyTorch's SyncBatchNorm is for GPUs only. Two sums are added up over processes, first for the mean and then for the
variance around it; their gradients are added up on the way back by `torch.distributed.nn`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed.nn.functional as collective
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lookalike.core.comm import SINGLE, Comm


class SharedBatchNorm(_BatchNorm):
    """BatchNorm whose batch is that of all processes; every process must bring the same number of rows."""

    comm: Comm = SINGLE

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.comm.size == 1:
            return super().forward(input)
        axes = [0, *range(2, input.ndim)]
        shape = [1, -1, *([1] * (input.ndim - 2))]
        x = input if input.dtype == torch.float64 else input.float()
        count = x.numel() // x.shape[1] * self.comm.size
        mean_C = collective.all_reduce(x.sum(axes)) / count
        centred = x - mean_C.view(shape)
        variance_C = collective.all_reduce(centred.square().sum(axes)) / count
        self._remember(mean_C, variance_C, count)
        scale_C = (variance_C + self.eps).rsqrt()
        if self.affine:
            return (centred * (self.weight * scale_C).view(shape) + self.bias.view(shape)).to(input.dtype)
        return (centred * scale_C.view(shape)).to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean_C: Tensor, variance_C: Tensor, count: int) -> None:
        assert self.num_batches_tracked is not None and self.running_mean is not None and self.running_var is not None
        self.num_batches_tracked += 1
        weight = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean_C.to(self.running_mean.dtype), weight)
        unbiased_C = variance_C * (count / (count - 1))
        self.running_var.lerp_(unbiased_C.to(self.running_var.dtype), weight)


def share_norms(module: nn.Module, comm: Comm) -> None:
    """Let every BatchNorm below `module` share its statistics; parameters and their names stay."""
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm):
            shared = SharedBatchNorm(child.num_features, child.eps, child.momentum, child.affine)
            shared.__dict__.update({k: v for k, v in child.__dict__.items() if k in ("_parameters", "_buffers")})
            shared.train(child.training)
            shared.comm = comm
            setattr(module, name, shared)
        else:
            share_norms(child, comm)


@contextmanager
def unshared(module: nn.Module) -> Iterator[None]:
    """Every process by itself, for passes that processes make in different numbers."""
    norms = [m for m in module.modules() if isinstance(m, SharedBatchNorm)]
    before = [norm.comm for norm in norms]
    for norm in norms:
        norm.comm = SINGLE
    try:
        yield
    finally:
        for norm, comm in zip(norms, before, strict=True):
            norm.comm = comm
