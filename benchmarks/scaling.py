"""How cost grows: with images, with the batch, with clusters, with processes, beside what theory says.

    python benchmarks/scaling.py [--only knn ...] [--tiny] [--write]

Each part times one piece of work at several sizes, each twice the one before, and gives the slope of log seconds over
log size: 1 is proportional, 2 quadratic. The last column of slopes is that of the two largest sizes, where what does
not grow weighs least. Data are random; seconds are the best of a few rounds after one that warms up, as other work only
ever adds. A process more is `torchrun` with one thread a process, where the ideal slope is -1.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

import common
from lookalike.clustering.lloyd import lloyd
from lookalike.core import machine
from lookalike.data import sources
from lookalike.data.base import Images, LoadConfig
from lookalike.data.image_index import ImageIndex
from lookalike.evaluate.map import aligned_maps
from lookalike.neighbors.exact import nearest

Work = Callable[[], object]
Sized = Callable[[int, Path], Work]
"""Gets ready for a size, in a folder for its files, and returns what is timed."""


@dataclass(frozen=True)
class Part:
    """Something that grows."""

    name: str
    grows: str
    """What the sizes count."""
    sizes: tuple[int, ...]
    tiny: tuple[int, ...]
    """Sizes of `--tiny`, which leaves a part without any out."""
    theory: str
    """The slope expected, and why."""
    work: Sized
    rounds: int = 3


def rows(n: int, d: int) -> Tensor:
    """Random unit rows [n, d]."""
    return torch.nn.functional.normalize(torch.randn(n, d, generator=torch.Generator().manual_seed(0)), dim=1)


def knn(n: int, _: Path) -> Work:
    x_ND = rows(n, 128)
    return lambda: nearest(x_ND, x_ND, 20)


def in_clusters(n: int, _: Path) -> Work:
    return k_means(n, min(100, n // 50))


def of_rows(k: int, _: Path) -> Work:
    return k_means(min(20_000, 200 * k), k)


def k_means(n: int, k: int) -> Work:
    x_ND = rows(n, 128)
    return lambda: lloyd(x_ND, k, init=x_ND[:k].clone(), max_iter=5)


def page_map(n: int, _: Path) -> Work:
    x_ND = rows(n, 64).numpy()
    return lambda: aligned_maps([x_ND], threads=machine.cores())


def opening(n: int, folder: Path) -> Work:
    """Opening the store of n images; it is built first."""
    from store import made, stored

    place = folder / f"{n}"
    image_index = sources.find(str(made(place / "images", n)))
    assert isinstance(image_index, ImageIndex)
    how = LoadConfig(cache=str(place / "cache"))
    stored(image_index, how, False)
    return lambda: stored(image_index, how, False)


def step(batch: int, _: Path) -> Work:
    from store import steps

    pixels = torch.randint(
        0, 256, (2 * batch, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    make = steps(Images(pixels, tuple(map(str, range(len(pixels))))), batch)
    return lambda: make(0)


def epochs(processes: int, folder: Path) -> Work:
    """A short training by so many processes; its own seconds are what counts, not those of starting."""
    images = folder / "images.npy"
    if not images.exists():
        np.save(images, np.random.default_rng(0).integers(0, 256, (2048, 32, 32, 3), dtype=np.uint8))
    run = folder / f"run-{processes}"
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    options = ["--epochs", "2", "--batch-size", "256", "--width", "16", "--threads", "1", "--device", "cpu"]
    options += ["--no-snapshots", "--no-report", "--out", str(run)]
    command = [*torchrun, "-m", "lookalike", "train", "simclr", str(images), *options]

    def train() -> float:
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
        return json.loads((run / "run.json").read_text())["seconds"]["train"]

    return train


PARTS = (
    Part("kNN of all images", "images", (4000, 8000, 16000), (100, 200), "2: every pair is compared", knn),
    Part("k-means, 100 clusters", "images", (20000, 40000, 80000), (200, 400), "1", in_clusters),
    Part("k-means, 20,000 rows", "clusters", (128, 256, 512, 1024), (2, 4), "1", of_rows),
    Part("map", "images", (1000, 2000, 4000), (50, 100), "1 to 2: t-SNE n log n, its neighbours n^2", page_map, 1),
    Part("opening a store", "images", (1000, 2000, 4000), (8, 16), "up to 1: its index is read", opening),
    Part("training step, CIFAR size", "batch", (64, 128, 256, 512), (4, 8), "1: NT-Xent's square is small", step),
    Part("training by torchrun", "processes", (1, 2), (), "-1: each a share of the batch", epochs, 1),
)


def seconds(work: Work, rounds: int) -> float:
    """The best of some rounds; what work returns, where that is a number, is its own account of its seconds."""
    if rounds > 1:
        work()
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        found = work()
        taken.append(found if isinstance(found, float) else time.perf_counter() - begun)
    return min(taken)


def slope(sizes: Sequence[int], taken: Sequence[float]) -> float:
    """Least-squares slope of log seconds over log size; NaN for one size."""
    if len(sizes) < 2:
        return math.nan
    return float(np.polyfit(np.log(sizes), np.log(taken), 1)[0])


def measured(parts: Sequence[Part], tiny: bool, folder: Path) -> Iterator[tuple[Part, tuple[int, ...], list[float]]]:
    """Each part with its sizes and seconds."""
    for part in parts:
        sizes = part.tiny if tiny else part.sizes
        yield part, sizes, [seconds(part.work(size, folder), 1 if tiny else part.rounds) for size in sizes]


def main(words: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD", help="parts whose name or axis has the word")
    parser.add_argument("--tiny", action="store_true", help="sizes of a second, for a test")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    args = parser.parse_args(words)
    parts = [p for p in PARTS if not args.only or any(word in f"{p.name} {p.grows}" for word in args.only)]
    parts = [p for p in parts if p.tiny or not args.tiny]
    machine.prepare(None)
    table = common.Table("scaling", ["what", "grows with", "sizes", "seconds", "slope", "last slope", "in theory"])
    with TemporaryDirectory() as folder:
        for part, sizes, taken in measured(parts, args.tiny, Path(folder)):
            table.data[part.name] = {"grows": part.grows, "sizes": sizes, "seconds": taken}
            whole, last = (f"{slope(sizes[-n:], taken[-n:]):.2f}" for n in (len(sizes), 2))
            shown = " ".join(f"{n:,}" for n in sizes), " ".join(f"{s:.3g}" for s in taken)
            table.row(part.name, part.grows, *shown, whole, last, part.theory)
    print(table.save(args.write))


if __name__ == "__main__":
    main()
