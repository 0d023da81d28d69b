"""k-means against faiss-cpu and scikit-learn: seconds, and how near the result is.

    python benchmarks/kmeans.py [--npy FILE] [--threads 2] [--repeats 3] [--iterations 10] [--tiny] [--write]

Same rows, same first centroids, same number of iterations, nothing subsampled, float32. The three take
turns in one process, in a changing order. Each brings thread pools of its own, whose idle threads spin for
a while after work; a pause before each turn lets those of the others fall asleep. CPU seconds are told
beside wall seconds, as they hardly change when other programs want the cores too. The floor is the time
of the matrix products alone at the rate of this machine, measured on the same shapes.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import common
from lookalike.clustering.lloyd import lloyd
from lookalike.core.machine import cpu_has_bf16, keep_freed_memory

SIZES = [(50_000, 256, 100), (50_000, 256, 1000), (50_000, 128, 3000)]
PAUSE = 0.3  # seconds before each turn


def mixture(n: int, d: int, components: int = 2000) -> np.ndarray:
    """Unit rows around `components` directions, noise as long as the signal, seed fixed."""
    gen = torch.Generator().manual_seed(0)
    centres = F.normalize(torch.randn(components, d, generator=gen), dim=1)
    noise = torch.randn(n, d, generator=gen) / d**0.5
    return F.normalize(centres[torch.randint(components, (n,), generator=gen)] + noise, dim=1).numpy()


def ours(x: np.ndarray, first: np.ndarray, iterations: int) -> tuple[float, int]:
    found = lloyd(torch.from_numpy(x), len(first), init=torch.from_numpy(first), max_iter=iterations)
    return found.inertia, found.iterations


def scikit_learn(x: np.ndarray, first: np.ndarray, iterations: int) -> tuple[float, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(len(first), init=first, n_init=1, max_iter=iterations, tol=0, algorithm="lloyd").fit(x)
    return float(found.inertia_), int(found.n_iter_)


def faiss_cpu(x: np.ndarray, first: np.ndarray, iterations: int) -> tuple[float, int]:
    import faiss

    k, d = first.shape
    km = faiss.Kmeans(d, k, niter=iterations, max_points_per_centroid=10**9, min_points_per_centroid=1)
    km.train(x, init_centroids=first)
    _, labels = km.assign(x)  # the others label by the final centroids too
    return float(np.square(x - km.centroids[labels]).sum(dtype=np.float64)), iterations


def rates(n: int, d: int, k: int) -> dict[str, float]:
    """GFLOP/s of the matrix product rows x centroids, in blocks, best of five."""
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
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--tiny", action="store_true", help="a few rows, without faiss")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    args = parser.parse_args(words)
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    runners: dict[str, Callable[..., Any]] = {"ours": ours, "scikit-learn": scikit_learn}
    if not args.tiny:
        try:
            import faiss

            faiss.omp_set_num_threads(args.threads)
            runners["faiss"] = faiss_cpu
        except ImportError:
            print("faiss: not installed")

    if args.npy:
        rows = np.ascontiguousarray(np.load(args.npy), dtype=np.float32)
        cases = [(rows, k) for k in args.k]
    else:
        cases = [(mixture(n, d), k) for n, d, k in ([(300, 8, 4)] if args.tiny else SIZES)]
    print(f"{args.threads} threads, {args.repeats} turns each, at most {args.iterations} iterations\n")
    columns = ["N x D, k", "who", "seconds (median)", "best", "CPU seconds", "inertia / ours", "iterations"]
    table = common.Table("kmeans", columns)
    for note in [compare(x, k, runners, args, table) for x, k in cases]:
        table.note(note)
    print(table.save(args.write))


def compare(
    x: np.ndarray, k: int, runners: dict[str, Callable[..., Any]], args: argparse.Namespace, table: common.Table
) -> str:
    """Add the rows of one size; return a line on ratios and the floor."""
    n, d = x.shape
    first = x[np.random.default_rng(0).permutation(n)[:k]].copy()
    wall: dict[str, list[float]] = {name: [] for name in runners}
    cpu: dict[str, list[float]] = {name: [] for name in runners}
    result: dict[str, tuple[float, int]] = {}
    names = list(runners)
    with threadpool_limits(args.threads):
        for name in names:
            runners[name](x, first, 1)  # warm
        for turn in range(args.repeats):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                time.sleep(PAUSE)
                start, used = time.perf_counter(), time.process_time()
                result[name] = runners[name](x, first, args.iterations)
                wall[name].append(time.perf_counter() - start)
                cpu[name].append(time.process_time() - used)
    median = {name: statistics.median(values) for name, values in wall.items()}
    for name in names:
        inertia, iterations = result[name]
        seconds = (f"{s:.2f}" for s in (median[name], min(wall[name]), statistics.median(cpu[name])))
        table.row(f"{n} x {d}, {k}", name, *seconds, f"{inertia / result['ours'][0]:.4f}", iterations)
    table.data[f"{n} x {d}, {k}"] = {"seconds": wall, "cpu": cpu}
    others = [name for name in names if name != "ours"]
    nearest = min(others, key=lambda name: median[name])
    best = min(min(wall[name]) for name in others)
    rate = rates(n, d, k)
    work = 2 * n * k * d * (result["ours"][1] + 1) / 1e9
    floors = ", ".join(f"{work / r:.2f} s in {name} ({r:.0f} GFLOP/s)" for name, r in rate.items())
    hardware = "" if cpu_has_bf16() else "; this CPU has no bfloat16 product, so ours runs in float32"
    return (
        f"- {n} x {d}, k={k}: ours / {nearest} = {median['ours'] / median[nearest]:.2f} by medians, "
        f"{min(wall['ours']) / best:.2f} by best turns, "
        f"{statistics.median(cpu['ours']) / min(statistics.median(cpu[o]) for o in others):.2f} in CPU seconds; "
        f"floor {floors}{hardware}"
    )


if __name__ == "__main__":
    main()
