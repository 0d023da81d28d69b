"""What a large batch costs: memory and time of chunks, and of NT-Xent over tiles.

    python benchmarks/large_batch.py chunks     # a step of 4,096 images in chunks of 128 against plain steps of 128
    python benchmarks/large_batch.py tiles      # NT-Xent at 32,768 rows against its matrix products alone

NT-Xent beside other people's, at smaller batches, is benchmarks/nt_xent.py.

Every measurement of memory is made in a process of its own: what is reported is the largest resident size less
that before the work. Times are medians; those that are compared take turns. Images and projections are random.
"""

from __future__ import annotations

import argparse
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

import common
from lookalike.api import untrained_backbone
from lookalike.core import machine
from lookalike.data.base import Images
from lookalike.engine.feature_extractor import placed
from lookalike.engine.step import forward_backward
from lookalike.engine.views import Views
from lookalike.methods.simclr import Options, SimCLR
from lookalike.objectives.nt_xent import _TILE, nt_xent
from lookalike.optim.groups import build_optimizer

BATCH, CHUNK = 4096, 128
ROWS, SIZE = 32_768, 128


def resident(key: str = "VmRSS") -> float:
    """MiB of the process now."""
    line = next(x for x in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if x.startswith(key))
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
    learner = placed(SimCLR(backbone.encoder, options, batch), "cpu").train()
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


def chunk_time(batch: int, chunk: int, rounds: int) -> dict[str, float]:
    """Seconds of plain steps of `chunk` images, of a whole batch together, before and after one in chunks."""
    plain, whole = resnet18_step(chunk), resnet18_step(batch)
    plain(None)

    def seconds(work: Callable[[], None]) -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    small = [seconds(lambda: plain(None)) for _ in range(rounds)]
    large = seconds(lambda: whole(chunk))
    small += [seconds(lambda: plain(None)) for _ in range(rounds)]
    together = batch // chunk * statistics.median(small)
    return {"plain_steps_s": together, "chunked_step_s": large, "ratio": large / together}


def projections(rows: int) -> tuple[Tensor, Tensor]:
    z = torch.randn(rows, SIZE, generator=torch.Generator().manual_seed(0)).requires_grad_()
    return z, torch.arange(rows // 2).repeat(2)


def loss_memory(rows: int) -> dict[str, float]:
    def loss_of(z_RP: Tensor) -> Tensor:
        return nt_xent(z_RP, torch.arange(len(z_RP) // 2).repeat(2), 0.5, _TILE["cpu"])

    loss_of(projections(64)[0]).backward()  # what the libraries set up when first used is not the loss's
    z, _ = projections(rows)
    before = resident()
    loss_of(z).backward()
    return {"extra_mib": largest() - before}


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


def tile_time(rows: int, turns: int) -> dict[str, float]:
    z, ids = projections(rows)
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


def apart(*words: object) -> dict[str, float]:
    """A measurement of this file in a process of its own."""
    command = [sys.executable, __file__, "one", *map(str, words)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def one(words: list[str]) -> dict[str, float]:
    kind, *rest = words
    numbers = [int(word) for word in rest]
    if kind == "chunk":
        return chunk_memory(numbers[0], numbers[1] or None)
    kinds: dict[str, Callable[..., dict[str, float]]] = {"loss": loss_memory, "time": chunk_time, "tile": tile_time}
    return kinds[kind](*numbers)


def main(words: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["chunks", "tiles", "one"])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--tiny", action="store_true", help="a few images or rows")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    arguments = parser.parse_args(words)
    machine.prepare(None)
    if arguments.part == "one":
        print(json.dumps(one(arguments.words)))
        return
    table = common.Table(f"large_batch_{arguments.part}", ["what", "memory", "seconds", "ratio"])
    if arguments.part == "chunks":
        batch, chunk = (8, 4) if arguments.tiny else (BATCH, CHUNK)
        small, large = apart("chunk", chunk, 0), apart("chunk", batch, chunk)
        took = apart("time", batch, chunk, 1 if arguments.tiny else 8)
        table.data = {"small": small, "large": large, "time": took}
        plain, whole = f"{small['extra_mib']:,.0f} MiB", f"{large['extra_mib']:,.0f} MiB"
        table.row(f"{batch // chunk} plain steps of {chunk:,}", plain, f"{took['plain_steps_s']:.2f}")
        table.row(f"a step of {batch:,} in chunks", whole, f"{took['chunked_step_s']:.2f}", f"{took['ratio']:.2f}")
        times = [large[key] / max(1.0, small[key]) for key in ("extra_mib", "largest_mib")]
        table.note(f"Memory: {times[0]:.2f}x of what training adds, {times[1]:.2f}x of the whole process.")
    else:
        rows = 1024 if arguments.tiny else ROWS
        held, took = apart("loss", rows), apart("tile", rows, 3)
        table.data = {"memory": held, "time": took}
        table.row(f"NT-Xent, {rows:,} rows", f"{held['extra_mib']:,.0f} MiB", f"{took['loss_s']:.2f}")
        table.row("its matrix products alone", "", f"{took['products_s']:.2f}", f"{took['ratio']:.2f}")
    print(table.save(arguments.write))


if __name__ == "__main__":
    main()
