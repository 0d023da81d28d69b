"""k-means against faiss-cpu and scikit-learn: seconds, and how near the result is.

    python benchmarks/kmeans.py [--npy FILE] [--threads 2] [--repeats 5] [--iterations 10] [--tiny] [--write]

Same rows, same first centroids, same number of iterations, nothing subsampled, float32. The three take
turns, each in a process of its own. CPU seconds are told beside wall seconds, as they hardly change when other
programs want the cores too. The floor is the time of the matrix products alone at the rate of this machine,
measured on the same shapes.
"""

from __future__ import annotations

import argparse
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

SIZES = [(50_000, 256, 100), (50_000, 256, 1000), (50_000, 128, 3000)]
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


# Workers


def ours(x: np.ndarray, first: np.ndarray, iterations: int, threads: int) -> Found:
    import torch

    from lookalike.clustering.lloyd import lloyd
    from lookalike.core import machine

    machine.prepare(threads)
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

    torch.set_num_threads(threads)
    found = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
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
    parser.add_argument("--npy", help="a file of float rows [N, D] in place of the synthetic ones")
    parser.add_argument("--k", type=int, nargs="*", default=[100, 1000], help="cluster counts for --npy")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--tiny", action="store_true", help="a few rows, without faiss")
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
        rows = np.ascontiguousarray(np.load(args.npy), dtype=np.float32)
        cases = [(rows, k) for k in args.k]
    else:
        cases = [(mixture(n, d), k) for n, d, k in ([(300, 8, 4)] if args.tiny else SIZES)]
    columns = ["N x D, k", "who", "seconds: median (range)", "CPU seconds", "inertia / ours", "iterations"]
    table = common.Table("kmeans", columns)
    for note in [compare(x, k, python, args, table) for x, k in cases]:
        table.note(note)
    table.note(f"{args.threads} threads, {args.repeats} turns each, at most {args.iterations} iterations.")
    print(table.save(args.write))


def compare(
    x: np.ndarray,
    k: int,
    python: Mapping[str, Path | str | common.Missing],
    args: argparse.Namespace,
    table: common.Table,
) -> str:
    """Add the rows of one size; return a line on ratios and the floor."""
    n, d = x.shape
    size = f"{n} x {d}, {k}"
    missing: dict[str, common.Missing] = {}
    workers: dict[str, common.Worker] = {}
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
                    workers[name] = common.Worker(command)
                except common.Missing as reason:
                    missing[name] = reason
            turns = common.in_turns(workers, args.repeats, PAUSE)
        finally:
            for worker in workers.values():
                worker.close()
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
    return _note(
        size, median, wall, cpu, rates(n, d, k, args.threads), 2 * n * k * d * (last["ours"]["iterations"] + 1)
    )


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
