"""What a large batch costs: memory and time of chunks, and of NT-Xent over tiles.

    python benchmarks/large_batch.py chunks     # a step of 4,096 images in chunks of 128 against plain steps of 128
    python benchmarks/large_batch.py tiles      # NT-Xent at 32,768 rows against its matrix products alone
    python benchmarks/large_batch.py lightly    # NT-Xent at batch 4,096 beside lightly's, where that can be imported

Every measurement of memory is made in a process of its own: what is reported is the largest resident size less
that before the work. Times are medians; those that are compared take turns. Images and projections are random.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from lookalike.api import untrained_backbone
from lookalike.core import machine
from lookalike.data.base import Images
from lookalike.engine.backbone import placed
from lookalike.engine.step import forward_backward
from lookalike.engine.views import Views
from lookalike.methods.simclr import Learner, Options
from lookalike.objectives.nt_xent import _TILE, nt_xent
from lookalike.optim.groups import build_optimizer

BATCH, CHUNK = 4096, 128
ROWS, SIZE = 32_768, 128


def resident(key: str = "VmRSS") -> float:
    """MiB of the process now."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(key))
    return int(line.split()[1]) / 1024


def largest() -> float:
    """MiB of the process at its largest."""
    return resident("VmHWM")


def resnet18_step(batch: int) -> Callable[[int | None], None]:
    """A training step of SimCLR on 32 px colour images, given the images of a chunk (None: no chunks)."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (batch, 3, 32, 32), dtype=torch.uint8, generator=generator)
    options = Options(encoder="resnet18", batch_size=batch, image_size=32, lr=0.1, stem="small")
    options.precision = machine.resolve_precision("auto", "cpu")
    images = Images(pixels, tuple(map(str, range(batch))))
    backbone = untrained_backbone(options, images, "cpu")
    learner = placed(Learner(backbone.encoder, options, batch), "cpu").train()
    views = Views(learner, backbone, options, images)
    optimizer = build_optimizer(learner, "sgd", 0.1, 0.9, 1e-4, {})
    index = torch.arange(batch)

    def step(chunk: int | None) -> None:
        optimizer.zero_grad(set_to_none=True)
        parts = views.parts(0, index, chunk)
        forward_backward(learner, backbone, parts, index[:, None], cached=chunk is not None)
        optimizer.step()

    return step


def chunk_memory(batch: int, chunk: int | None) -> dict[str, float]:
    step = resnet18_step(batch)
    before = resident()
    for _ in range(2 if chunk is None else 1):  # the optimiser's momentum is there from the first step on
        step(chunk)
    return {"before_mib": before, "extra_mib": largest() - before, "largest_mib": largest()}


def chunk_time() -> dict[str, float]:
    """Seconds of a plain step of 128 images, times 32, before and after one of 4,096 in chunks."""
    plain, whole = resnet18_step(CHUNK), resnet18_step(BATCH)
    plain(None)

    def seconds(work: Callable[[], None]) -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    small = [seconds(lambda: plain(None)) for _ in range(8)]
    large = seconds(lambda: whole(CHUNK))
    small += [seconds(lambda: plain(None)) for _ in range(8)]
    sum_of_32 = 32 * statistics.median(small)
    return {"plain_32_steps_s": sum_of_32, "chunked_step_s": large, "ratio": large / sum_of_32}


def projections(rows: int) -> tuple[Tensor, Tensor]:
    z = torch.randn(rows, SIZE, generator=torch.Generator().manual_seed(0)).requires_grad_()
    return z, torch.arange(rows // 2).repeat(2)


def loss_memory(rows: int, which: str) -> dict[str, float]:
    def ours(z_RP: Tensor) -> Tensor:
        return nt_xent(z_RP, torch.arange(len(z_RP) // 2).repeat(2), 0.5, _TILE["cpu"])

    loss_of = lightly_loss() if which == "lightly" else ours
    loss_of(projections(64)[0]).backward()  # what the libraries set up when first used is not the loss's
    z, _ = projections(rows)
    before = resident()
    loss_of(z).backward()
    return {"extra_mib": largest() - before}


def lightly_loss() -> Callable[[Tensor], Tensor]:
    """lightly's NTXentLoss of rows [2B, P]."""
    with contextlib.suppress(RuntimeError):  # they are there where torchvision's compiled part fits this torch
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from lightly.loss import NTXentLoss

    criterion = NTXentLoss(temperature=0.5)
    return lambda z_RP: criterion(*z_RP.chunk(2))


def products(u_RP: Tensor, tile: int) -> Iterator[Callable[[], None]]:
    """The matrix products of NT-Xent over tiles, forward and backward, and nothing else."""
    parts = [slice(i, i + tile) for i in range(0, len(u_RP), tile)]
    scratch, gradient = torch.empty(tile, tile), torch.zeros_like(u_RP)

    def forward() -> None:
        for i, rows in enumerate(parts):
            for columns in parts[i:]:
                torch.mm(u_RP[rows], u_RP[columns].T, out=scratch)

    def backward() -> None:
        for i, rows in enumerate(parts):
            for columns in parts[i:]:
                torch.mm(u_RP[rows], u_RP[columns].T, out=scratch)
                gradient[rows].addmm_(scratch, u_RP[columns], alpha=1e-9)
                if rows != columns:
                    gradient[columns].addmm_(scratch.T, u_RP[rows], alpha=1e-9)

    yield from (forward, backward)


def in_turns(turns: int, **works: Callable[[], None]) -> dict[str, float]:
    """Median seconds of each, taken in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _, (name, work) in itertools.product(range(turns), works.items()):
        begun = time.perf_counter()
        work()
        seconds[name].append(time.perf_counter() - begun)
    return {f"{name}_s": statistics.median(values) for name, values in seconds.items()}


def tile_time(turns: int) -> dict[str, float]:
    z, ids = projections(ROWS)
    nt_xent(z, ids, 0.5).backward()
    forward, backward = products(torch.nn.functional.normalize(z.detach(), dim=1), _TILE["cpu"])

    def loss() -> None:
        z.grad = None
        nt_xent(z, ids, 0.5).backward()

    def floor() -> None:
        forward()
        backward()

    found = in_turns(turns, loss=loss, products=floor)
    return {**found, "ratio": found["loss_s"] / found["products_s"]}


def lightly_time(turns: int) -> dict[str, float]:
    z, ids = projections(2 * BATCH)
    theirs = lightly_loss()

    def run(loss_of: Callable[[Tensor], Tensor]) -> Callable[[], None]:
        def work() -> None:
            z.grad = None
            loss_of(z).backward()

        return work

    found = in_turns(turns, ours=run(lambda x: nt_xent(x, ids, 0.5)), lightly=run(theirs))
    return {**found, "ratio": found["lightly_s"] / found["ours_s"]}


def apart(*words: object) -> dict[str, float]:
    """A measurement of this file in a process of its own."""
    command = [sys.executable, __file__, "one", *map(str, words)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def one(words: list[str]) -> dict[str, float]:
    kind, *rest = words
    if kind == "chunk":
        return chunk_memory(int(rest[0]), int(rest[1]) or None)
    if kind == "loss":
        return loss_memory(int(rest[0]), rest[1])
    return {"time": chunk_time, "tile-time": lambda: tile_time(3), "lightly-time": lambda: lightly_time(5)}[kind]()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["chunks", "tiles", "lightly", "one"])
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    machine.prepare(None)
    if arguments.part == "one":
        print(json.dumps(one(arguments.words)))
    elif arguments.part == "chunks":
        small, large = apart("chunk", CHUNK, 0), apart("chunk", BATCH, CHUNK)
        print(f"plain steps of {CHUNK}: {small}\na step of {BATCH} in chunks of {CHUNK}: {large}")
        print(
            f"memory: {large['extra_mib'] / small['extra_mib']:.2f}x (the whole process: "
            f"{large['largest_mib'] / small['largest_mib']:.2f}x)"
        )
        print(f"time: {apart('time')}")
    elif arguments.part == "tiles":
        print(f"memory: {apart('loss', ROWS, 'ours')}\ntime: {apart('tile-time')}")
    else:
        ours, theirs = apart("loss", 2 * BATCH, "ours"), apart("loss", 2 * BATCH, "lightly")
        print(f"memory: ours {ours}, lightly {theirs}: {theirs['extra_mib'] / ours['extra_mib']:.0f}x")
        print(f"time: {apart('lightly-time')}")


if __name__ == "__main__":
    main()
