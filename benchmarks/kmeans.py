"""k-means against faiss-cpu and scikit-learn: seconds, and how near the result is.

    python benchmarks/kmeans.py [--run RUN] [--mnist DIR] [--npy FILE] [--k 100 1000] [--threads 2] [--repeats 5]
                                [--iterations 10] [--tiny] [--write]

Rows of several kinds: around many directions, in tight groups (finer than float32 tells from a common origin), of a
network that collapsed; with --run the training images' features of a run, with --mnist its pixels, whitened. Same rows,
same first centroids, same number of iterations, nothing subsampled, float32. Each takes its turn, in a process of its
own, with the settings that a library's user has. CPU seconds are told beside wall seconds, as they hardly change when
other programs want the cores too. The floor is the time of the matrix products alone at the rate of this machine,
measured on the same shapes.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import sys
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import common

N, D = 50_000, 256
WHITENED = 128  # columns of MNIST's pixels
PAUSE = 0.3  # seconds before each turn

Found = dict[str, Any]
"""The inertia, and how many iterations were made."""


def mixture(n: int, d: int, components: int = 2000) -> np.ndarray:
    """Unit rows around `components` directions, noise as long as the signal, seed fixed."""
    import torch
    import torch.nn.functional as F

    gen = torch.Generator().manual_seed(0)
    centres = F.normalize(torch.randn(components, d, generator=gen), dim=1)
    noise = torch.randn(n, d, generator=gen) / d**0.5
    return F.normalize(centres[torch.randint(components, (n,), generator=gen)] + noise, dim=1).numpy()


def tight(n: int, d: int, groups: int = 50, noise: float = 0.01) -> np.ndarray:
    """Groups around unit rows, `noise` long."""
    gen = np.random.default_rng(0)
    centre = gen.standard_normal((groups, d))
    centre /= np.linalg.norm(centre, axis=1, keepdims=True)
    rows = centre[gen.integers(groups, size=n)] + noise / d**0.5 * gen.standard_normal((n, d))
    return rows.astype(np.float32)


def collapsed(n: int, d: int, directions: int = 4) -> np.ndarray:
    """Unit rows around one direction that differ in a few others, and by a trace in all."""
    gen = np.random.default_rng(0)
    differ = gen.standard_normal((n, directions)) @ gen.standard_normal((directions, d))
    rows = gen.standard_normal((1, d)) + 0.02 * differ + 1e-4 * gen.standard_normal((n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def features_of(run: str) -> np.ndarray:
    """Features of a run's training images, or of all where it has no split."""
    rows = np.load(Path(run) / "embeddings.npy")
    with (Path(run) / "index.csv").open(encoding="utf-8", newline="") as file:
        training = [line.get("split") != "test" for line in csv.DictReader(file)]
    return np.ascontiguousarray(rows[training], dtype=np.float32)


def whitened_pixels(folder: str) -> np.ndarray:
    """MNIST's training pixels by PCA, each column of variance 1."""
    import torch

    from lookalike.clustering.whiten import pca_whiten
    from lookalike.data.loading import load

    images = load(f"mnist:{folder}")
    assert images.split is not None
    train = torch.tensor([part == "train" for part in images.split])
    rows = images.center_crops[torch.nonzero(train)[:, 0]].flatten(1).float()
    return (pca_whiten(rows, WHITENED) * len(rows) ** 0.5).numpy()


# Workers


def ours(x: np.ndarray, first: np.ndarray, iterations: int, threads: int) -> Found:
    import torch

    from lookalike.clustering.lloyd import lloyd

    torch.set_num_threads(threads)
    found = lloyd(torch.from_numpy(x), len(first), init=torch.from_numpy(first), max_iter=iterations)
    return {"inertia": found.inertia, "iterations": found.iterations}


def scikit_learn(x: np.ndarray, first: np.ndarray, iterations: int, threads: int) -> Found:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(threads):
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(len(first), init=first, n_init=1, max_iter=iterations, tol=0, algorithm="lloyd").fit(x)
    return {"inertia": float(found.inertia_), "iterations": int(found.n_iter_)}


def faiss_cpu(x: np.ndarray, first: np.ndarray, iterations: int, threads: int) -> Found:
    import faiss

    faiss.omp_set_num_threads(threads)
    k, d = first.shape
    km = faiss.Kmeans(d, k, niter=iterations, max_points_per_centroid=10**9, min_points_per_centroid=1)
    km.train(x, init_centroids=first)
    _, labels = km.assign(x)  # the others label by the final centroids too
    inertia = float(np.square(x - km.centroids[labels]).sum(dtype=np.float64))
    return {"inertia": inertia, "iterations": iterations}


WORKERS = {"ours": ours, "scikit-learn": scikit_learn, "faiss": faiss_cpu}


# The benchmark


def rates(n: int, d: int, k: int, threads: int) -> dict[str, float]:
    """GFLOP/s of the matrix product rows x centroids, in blocks, best of five."""
    import torch

    from lookalike.core.machine import cpu_has_bf16

    torch.set_num_threads(threads)
    found = {}
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    for name, dtype in kinds.items():
        if dtype == torch.bfloat16 and not cpu_has_bf16():
            continue  # it would be computed a number at a time
        x, c = torch.randn(n, d).to(dtype), torch.randn(d, k).to(dtype)
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            for block in x.split(1024):
                block @ c
            seconds.append(time.perf_counter() - start)
        found[name] = 2 * n * d * k / min(seconds) / 1e9
    return found


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", help="a run folder with embeddings.npy")
    parser.add_argument("--mnist", help="the folder of MNIST's four files")
    parser.add_argument("--npy", help="a file of float rows [N, D], and no others")
    parser.add_argument("--k", type=int, nargs="*", default=[100, 1000], help="numbers of clusters")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--tiny", action="store_true", help="a few rows, in one process, without faiss")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    parser.add_argument("--worker", nargs=2, metavar=("WHO", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    if args.worker:
        who, folder = args.worker
        x, first = (np.load(Path(folder) / f"{name}.npy") for name in ("rows", "first"))
        common.serve(lambda: WORKERS[who](x, first, args.iterations, args.threads))
        return
    python: dict[str, Path | str | common.Missing] = {"ours": sys.executable, "scikit-learn": sys.executable}
    if not args.tiny:
        try:
            python["faiss"] = common.environment("faiss", ["faiss-cpu", "numpy"])
        except common.Missing as reason:
            python["faiss"] = reason
    if args.npy:
        kinds = {Path(args.npy).name: lambda: np.ascontiguousarray(np.load(args.npy), dtype=np.float32)}
    else:
        n, d = (300, 8) if args.tiny else (N, D)
        kinds = {
            "directions": lambda: mixture(n, d),
            "tight": lambda: tight(n, d),
            "collapsed": lambda: collapsed(n, d),
        }
        if args.run:
            kinds["features"] = lambda: features_of(args.run)
        if args.mnist:
            kinds["MNIST"] = lambda: whitened_pixels(args.mnist)
    columns = ["rows, k", "who", "seconds: median (range)", "CPU seconds", "inertia / ours", "iterations"]
    table = common.Table("kmeans", columns)
    ratios: list[float] = []
    for name, make in kinds.items():
        rows = make()
        for k in [4] if args.tiny else args.k:
            note, ratio = compare(name, rows, k, python, args, table)
            table.note(note)
            ratios += [] if ratio is None else [ratio]
    if ratios:
        table.note(f"- ours / faiss: {statistics.mean(ratios):.2f} on the mean, {max(ratios):.2f} at the most")
    table.note(f"{args.threads} threads, {args.repeats} turns each, at most {args.iterations} iterations.")
    print(table.save(args.write))


def compare(
    kind: str,
    x: np.ndarray,
    k: int,
    python: Mapping[str, Path | str | common.Missing],
    args: argparse.Namespace,
    table: common.Table,
) -> tuple[str, float | None]:
    """Add what one kind of rows takes; return a line on ratios and the floor, and our time in faiss's."""
    n, d = x.shape
    size = f"{kind} {n} x {d}, {k}"
    missing: dict[str, common.Missing] = {}
    workers: dict[str, common.Worker | common.Together] = {}
    told = ["--threads", str(args.threads), "--iterations", str(args.iterations)]
    with TemporaryDirectory() as folder:
        np.save(Path(folder) / "rows.npy", x)
        np.save(Path(folder) / "first.npy", x[np.random.default_rng(0).permutation(n)[:k]])
        try:
            for name, how in python.items():
                if isinstance(how, common.Missing):
                    missing[name] = how
                    continue
                try:
                    command = common.here("kmeans.py", "--worker", name, folder, *told, python=how)
                    workers[name] = common.worker(command, together=args.tiny)
                except common.Missing as reason:
                    missing[name] = reason
            turns = common.in_turns(workers, args.repeats, 0.0 if args.tiny else PAUSE)
        finally:
            for each in workers.values():
                each.close()
    wall = {name: [turn["seconds"] for turn in found] for name, found in turns.items()}
    median = {name: statistics.median(values) for name, values in wall.items()}
    cpu = {name: statistics.median(turn["cpu"] for turn in found) for name, found in turns.items()}
    last = {name: found[-1] for name, found in turns.items()}
    for name in turns:
        ratio = f"{last[name]['inertia'] / last['ours']['inertia']:.4f}"
        table.row(size, name, common.spread(wall[name], 2), f"{cpu[name]:.2f}", ratio, last[name]["iterations"])
    for name, reason in missing.items():
        table.row(size, name, str(reason))
    table.data[size] = turns
    flop = 2 * n * k * d * (last["ours"]["iterations"] + 1)
    note = _note(size, median, wall, cpu, rates(n, d, k, args.threads), flop)
    return note, median["ours"] / median["faiss"] if "faiss" in median else None


def _note(
    size: str,
    median: dict[str, float],
    wall: dict[str, list[float]],
    cpu: dict[str, float],
    rate: dict[str, float],
    flop: int,
) -> str:
    """Ours beside the fastest of the others, and what the matrix products alone would take."""
    from lookalike.core.machine import cpu_has_bf16

    others = [name for name in median if name != "ours"]
    nearest = min(others, key=lambda name: median[name])
    best = min(min(wall[name]) for name in others)
    floors = ", ".join(f"{flop / 1e9 / r:.2f} s in {name} ({r:.0f} GFLOP/s)" for name, r in rate.items())
    hardware = "" if cpu_has_bf16() else "; this CPU has no bfloat16 product, so ours runs in float32"
    return (
        f"- {size}: ours / {nearest} = {median['ours'] / median[nearest]:.2f} by medians, "
        f"{min(wall['ours']) / best:.2f} by best turns, "
        f"{cpu['ours'] / min(cpu[name] for name in others):.2f} in CPU seconds; floor {floors}{hardware}"
    )


if __name__ == "__main__":
    main()
