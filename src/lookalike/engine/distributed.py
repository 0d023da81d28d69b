"""Several processes, over torch.distributed: gloo between CPUs, NCCL between GPUs."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as collective
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from lookalike.core.comm import BLOCK, SINGLE, Comm, blocks
from lookalike.core.errors import LookalikeError, MachineError, PeerError
from lookalike.core.options import TrainOptions
from lookalike.core.process import warnings_ignored
from lookalike.core.words import agreeing, counted
from lookalike.methods.base import Method, Projections

T = TypeVar("T")


class Group(Comm):
    """The processes of torch.distributed's default group. Every method is called by all of them, in one order."""

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()

    def all_reduce(self, x: Tensor) -> Tensor:
        with peer_errors(self):
            return collective.all_reduce(x.contiguous())

    def all_gather(self, x: Tensor) -> Tensor:
        every = x.new_zeros(self.size, *x.shape)
        every[self.rank] = x
        return self.all_reduce(every).flatten(0, 1)  # whose gradient is the sum of all processes'

    def sum(self, x: Tensor) -> Tensor:
        total = x.detach().clone()
        with peer_errors(self):
            dist.all_reduce(total)
        return total

    def gather(self, x: Tensor) -> Tensor:
        x = x.detach().contiguous()
        lengths = [int(n) for n in self._gather_equal(torch.tensor([len(x)]))]
        longest = max(lengths)
        padded = x if len(x) == longest else torch.cat([x, x.new_zeros(longest - len(x), *x.shape[1:])])
        parts = self._gather_equal(padded)
        return torch.cat([part[:n] for part, n in zip(parts, lengths, strict=True)])

    def _gather_equal(self, x: Tensor) -> list[Tensor]:
        parts = [torch.empty_like(x) for _ in range(self.size)]
        with peer_errors(self):
            dist.all_gather(parts, x)
        return parts

    def objects(self, value: T) -> list[T]:
        values: list[T] = [value] * self.size
        with peer_errors(self):
            dist.all_gather_object(values, value)
        return values

    @contextmanager
    def collective_errors(self) -> Iterator[None]:
        mine: LookalikeError | None = None
        try:
            yield
        except LookalikeError as error:
            mine = error
        failed = [rank for rank, message in enumerate(self.objects(None if mine is None else str(mine))) if message]
        if not failed:
            return
        if mine is not None and self.rank == failed[0]:
            if len(failed) < self.size:
                raise LookalikeError(f"process {self.rank} of {self.size}: {mine}") from mine
            raise mine
        raise PeerError


class PeerLost(LookalikeError):
    """Another process of the run is gone."""

    exit_status = 1


@contextmanager
def peer_errors(comm: Comm) -> Iterator[None]:
    """Say in words that another process is gone, where PyTorch's exchange fails in here."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # gloo and NCCL raise what they raise
        if not _is_of_an_exchange(error):
            raise
        raise PeerLost(
            f"process {comm.rank} of {comm.size} lost another one of them, which ended or cannot be "
            "reached; the same command goes on from the last checkpoint, with any number of processes "
            f"({str(error).splitlines()[0]})"
        ) from error


def _is_of_an_exchange(error: RuntimeError) -> bool:
    words = str(error).lower()
    return isinstance(error, dist.DistError) or any(word in words for word in ("gloo", "nccl", "connection", "peer"))


def join(device: str) -> Comm:
    """The processes of this job: those that torchrun (or whoever set RANK and WORLD_SIZE) started, or none other.

    Raises:
        LookalikeError: they do not find each other.
    """
    if not dist.is_available():
        return SINGLE
    if not dist.is_initialized():
        if int(os.environ.get("WORLD_SIZE", "1")) < 2:
            return SINGLE
        atexit.register(leave)
        try:
            dist.init_process_group("cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo")
        except (RuntimeError, ValueError) as error:
            raise LookalikeError(f"the processes of this job do not find each other: {error}") from error
    return Group() if dist.get_world_size() > 1 else SINGLE


def processes_problems(options: TrainOptions, n: int, comm: Comm) -> Iterator[str]:
    """Every value that does not go with the number of processes; n training images."""
    if comm.size > 1 and options.batch_size % comm.size:
        yield f"--batch-size {options.batch_size} does not divide into the {counted(comm.size, 'process')} of this run"
    if comm.size > 1 and not comm.local_blocks(n):
        most = len(blocks(n))
        yield (
            f"{counted(n, 'image')} {agreeing(n, 'is', 'are')} too few for {counted(comm.size, 'process')}: "
            f"they divide into {counted(most, 'block')} of {BLOCK}"
        )


def disagreements(identities: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """Where what processes were told differs from what the first was."""
    for rank, theirs in enumerate(identities[1:], start=1):
        for key, value in identities[0].items():
            if theirs.get(key) != value:
                yield f"{key} is {theirs.get(key)!r} for process {rank} and {value!r} for process 0; they must agree"


def parallel(method: Method) -> DistributedDataParallel:
    """A method's projections, whose parameters' gradients are averaged over processes in every backward pass."""
    # Newer versions of PyTorch have another name for it, which older ones do not know. Buffers are not for it to
    # exchange: a memory bank is divided, and statistics are averaged after the step.
    with warnings_ignored(".*broadcast_buffers", FutureWarning):
        return DistributedDataParallel(Projections(method), broadcast_buffers=False)


def first_process() -> bool:
    """Whether this process is the one that writes and speaks."""
    return not dist.is_available() or not dist.is_initialized() or dist.get_rank() == 0


def leave() -> None:
    """End the group, where there is one."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def own_device(device: str) -> str:
    """The GPU of this process, where each has one of its own."""
    if device != "cuda" or "LOCAL_RANK" not in os.environ:
        return device
    local = int(os.environ["LOCAL_RANK"])
    if local >= torch.cuda.device_count():
        raise MachineError(
            f"process {local} of this machine has no GPU of its own: there are {torch.cuda.device_count()}; start as "
            "many processes as there are GPUs, or name --device cpu"
        )
    torch.cuda.set_device(local)
    return f"cuda:{local}"
