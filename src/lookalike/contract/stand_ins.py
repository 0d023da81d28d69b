"""A tiny network, images of noise and a second process: what the checks of a method need."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from lookalike.core import machine
from lookalike.core.comm import SINGLE, Comm
from lookalike.core.options import TrainOptions
from lookalike.encoders.base import EncoderSpec, build_encoder
from lookalike.engine.distributed import Group
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.methods.base import Method
from lookalike.methods.find import find_method

T = TypeVar("T")

TINY = {"norm": "group", "width": 4, "image_size": 16, "n_clusters": 6, "head_size": 16}
"""Options of a tiny method, where it has them."""
CLASSES = 5


def tiny_options(name: str | type[Method], **options: object) -> TrainOptions:
    """Options of a method, small where `options` do not set them."""
    kind = find_method(name).Options
    return kind(**{key: value for key, value in {**TINY, **options}.items() if key in kind.__dataclass_fields__})


def tiny_method(
    name: str | type[Method], n: int = 64, classes: int = CLASSES, *, comm: Comm = SINGLE, **options: object
) -> tuple[Method, FeatureExtractor]:
    """A tiny float64 method of n images, whose norm does not depend on the batch, unless `options` set another."""
    spec = EncoderSpec("convnet", 1, 16, width=4, norm=str(options.get("norm", "group")))
    backbone = FeatureExtractor(build_encoder(spec, seed=0).double(), spec, (0.5,), (0.25,), "float64")
    method = find_method(name)(backbone.encoder, tiny_options(name, **options), n, classes, comm).double()
    return method.train(), backbone


class FakeCollection:
    """A `Collection` of noise images, whose views are other noise; `calls` tells what was asked of it."""

    def __init__(self, method: Method, n: int = 64, classes: int = CLASSES) -> None:
        self.method, self.n = method, n
        self.x_NCHW = noise(n, seed=0)
        self.labels_N = torch.arange(n) % classes if method.needs_labels else None
        self.calls: list[tuple] = []

    @torch.no_grad()
    def outputs(self, forward: Callable[[Tensor], Tensor]) -> Tensor:
        """As of all images at once."""
        self.calls.append(("outputs", forward))
        self.method.eval()
        z_NP = forward(self.x_NCHW).float()
        self.method.train()
        return z_NP

    @torch.no_grad()
    def view_outputs(self, forward: Callable[[Tensor], Tensor], epoch: int, view: int) -> Tensor:
        """As of all images at once."""
        self.calls.append(("view_outputs", forward, epoch, view))
        return forward(self.x_NCHW + 0.1 * noise(self.n, seed=1000 + 10 * epoch + view)).float()


def noise(n: int, seed: int, side: int = 16) -> Tensor:
    """Images [n, 1, side, side] of uniform noise, float64."""
    return torch.rand(n, 1, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def parts_of(
    method: Method, images: int, rows: slice = slice(None), chunk: int | None = None
) -> list[Callable[[], Tensor]]:
    """Views of noise images as a training step is given them: those of one size together, or in chunks of rows."""
    parts: list[Tensor] = []
    for k, view in enumerate(method.views):
        if view.count:
            x = noise(view.count * images, seed=1 + k, side=view.size or 16)
            x_RCHW = x.unflatten(0, (view.count, images))[:, rows].flatten(0, 1)
            parts += x_RCHW.split(chunk or len(x_RCHW))
    return [lambda part=part: part for part in parts]  # type: ignore[misc]  # a default binds it


@cache
def _context() -> BaseContext:
    """Linux forks each process from one that has imported all that a training needs: importing takes seconds."""
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lookalike.contract.test_contract", "torch._dynamo"])
    return context


def start(work: Callable[..., object], *arguments: object) -> BaseProcess:
    """A new process that calls `work(*arguments)`; `work` is a function of a module.

    It has the environment variables of the first process that was started.
    """
    # the stubs give `Process` to the kinds of contexts, not to what they have in common
    process: BaseProcess = _context().Process(target=work, args=arguments, daemon=True)  # type: ignore[attr-defined]
    process.start()
    return process


def in_processes(work: Callable[..., T], *arguments: object, size: int = 2) -> list[T]:
    """What `work(comm, *arguments)` returned in each of `size` processes; `work` is a function of a module."""
    with tempfile.TemporaryDirectory() as folder:
        processes = [start(_enter, rank, size, folder, work, arguments) for rank in range(size)]
        for process in processes:
            process.join(240)
            assert process.exitcode == 0, f"{work.__name__} ended with {process.exitcode} in a process"
        return [torch.load(Path(folder, f"{rank}.pt"), weights_only=False) for rank in range(size)]


def _enter(rank: int, size: int, folder: str, work: Callable[..., object], arguments: tuple[object, ...]) -> None:
    machine.prepare(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size)
    result = work(Group(), *arguments)
    torch.save(result, Path(folder, f"{rank}.pt"))
    dist.destroy_process_group()
