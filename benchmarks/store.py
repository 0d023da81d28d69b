"""The store of decoded images: seconds to build and to open it, and training from it against training from memory.

    python benchmarks/store.py [--data DIR] [--images 60000] [--rounds 5] [--tiny] [--write]

Without --data so many JPEG files of 32 x 32 pixels are made first. The store is built into a temporary folder from
files that have just been read, so that no disk is waited for. Training is the step of SimCLR (views, network, loss,
optimiser) on random batches of the collection, the same ones from a tensor and from the store, round after round in
turns; so is the gathering of a batch alone. Prints medians and the ratio, as speed from the store over speed from
memory.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import numpy as np
import torch
from PIL import Image

import common
from lookalike.api import configure, untrained_backbone
from lookalike.core import machine
from lookalike.core.config import Config
from lookalike.data import sources, store
from lookalike.data.base import Images, LoadConfig
from lookalike.data.image_index import ImageIndex
from lookalike.data.jpeg import Jpeg
from lookalike.engine.feature_extractor import placed
from lookalike.engine.step import forward_backward
from lookalike.engine.views import Views
from lookalike.methods.simclr import Options, SimCLR
from lookalike.optim.groups import build_optimizer

BATCH = 512


def made(place: Path, n: int) -> Path:
    """n small JPEG files of smooth noise in ten folders."""
    random = np.random.default_rng(0)
    for i in range(n):
        folder = place / f"{i % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((32, 32), Image.Resampling.BICUBIC).save(folder / f"{i:06d}.jpg", quality=90)
    return place


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def steps(images: Images, batch: int = BATCH) -> Callable[[int], None]:
    """A function that makes a training step on the k-th batch."""
    rows = images.training
    asked = Config.asked("simclr", Options(lr=0.01, batch_size=batch), ("lr", "batch_size"))
    options = configure(asked, images, rows).options
    backbone = untrained_backbone(options, images, "cpu")
    learner = placed(SimCLR(backbone.encoder, options, len(rows)), "cpu").train()
    views = Views(learner, backbone, options, images)
    optimizer = build_optimizer(learner, "sgd", 0.01, 0.9, 1e-4, {})
    order = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]

    def step(k: int) -> None:
        start = k * batch % max(1, len(order) - batch)
        index = order[start : start + batch]
        optimizer.zero_grad(set_to_none=True)
        forward_backward(learner, backbone, views.parts(0, index), torch.arange(batch)[:, None])
        optimizer.step()

    return step


def stored(image_index: ImageIndex, how: LoadConfig, memory: bool) -> Images:
    """The images of a store, all in memory or read when asked for."""
    with mock.patch.object(store, "available_bytes", lambda: 2**50 if memory else 0):
        return store.load(image_index, None, how)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a folder of images in place of the made ones")
    parser.add_argument("--images", type=int, default=60_000, help="files to make")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="of a round")
    parser.add_argument("--tiny", action="store_true", help="a few images")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    args = parser.parse_args(words)
    batch = BATCH
    if args.tiny:
        args.images, args.rounds, args.steps, batch = 40, 1, 1, 8
    machine.prepare(None)
    table = common.Table("store", ["what", "seconds: median (range)"])
    with TemporaryDirectory() as folder:
        place = Path(args.data) if args.data else made(Path(folder) / "images", args.images)
        image_index = sources.find(str(place))
        assert isinstance(image_index, ImageIndex)
        for entry in image_index.entries:  # into the system's cache
            raw = entry.open()
            if isinstance(raw, Jpeg):
                raw.read()
            elif isinstance(raw, Image.Image):
                raw.load()
        how = LoadConfig(cache=str(Path(folder) / "cache"))
        build = seconds(lambda: stored(image_index, how, False))
        opening = statistics.median(seconds(lambda: stored(image_index, how, False)) for _ in range(5))
        both = {"memory": stored(image_index, how, True), "store": stored(image_index, how, False)}
        channels, side, _ = both["store"].shape
        canvas = both["store"].pixels.shape[-1]
        print(f"{len(both['store']):,} images, canvases of {canvas} px, {channels} channels; {machine.cores()} cores\n")
        table.row("build the store", f"{build:.1f}")
        table.row("open it", f"{opening:.2f}")
        rows = torch.randperm(len(both["store"]), generator=torch.Generator().manual_seed(1))[:batch]
        gather = {name: [seconds(lambda x=x: x.pixels[rows]) for _ in range(20)] for name, x in both.items()}
        for name, taken in gather.items():
            table.row(f"gather a batch of {batch} from {name}", common.spread(taken, 4))
        train = {name: steps(replace(x), batch) for name, x in both.items()}
        times: dict[str, list[float]] = {name: [] for name in both}
        for turn in range(args.rounds + 1):
            for name in list(train)[:: 1 if turn % 2 else -1]:
                first = turn * args.steps
                took = seconds(lambda f=first, n=name: [train[n](first) for first in range(f, f + args.steps)])
                if turn:  # the first round warms up
                    times[name].append(took / args.steps)
        for name, taken in times.items():
            step = statistics.median(taken)
            what = f"a training step of {batch} at {side} px from {name}"
            table.row(what, f"{common.spread(taken, 3)}: {batch / step:,.0f} images/s")
    middle, best = (how(times["memory"]) / how(times["store"]) for how in (statistics.median, min))
    table.data = {"build": build, "open": opening, "gather": gather, "step": times}
    table.note(f"Training from the store at {middle:.3f} of the speed from memory ({best:.3f} by best rounds).")
    print(table.save(args.write))


if __name__ == "__main__":
    main()
