"""Search beside scikit-learn's brute force: milliseconds a query, and what it costs to begin.

    python benchmarks/search.py [--npy FILE] [--sizes 60000x128 1000000x128] [--threads 2] [--repeats 20]

Exact search by cosine for both, the 20 nearest, float32 rows in a .npy file. "load" is from the file to an index that
answers (the file is in the system's page cache, as it is after it has been written); "one" a query by itself, "100" a
query of a hundred at once; medians. The floor is one pass over the rows at the rate at which this machine's memory is
read, measured on the same rows: no exact search without an index of another kind reads less.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from lookalike.evaluate.search import Index

K = 20


def seconds(work: Callable[[], Any], repeats: int) -> float:
    """The median time of some work."""
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def measure(file: Path, repeats: int) -> None:
    """Print the table of one file of rows."""
    rows = np.load(file, mmap_mode="r")
    queries = np.random.default_rng(1).standard_normal((100, rows.shape[1])).astype(np.float32)
    few = max(3, repeats // 5)
    index = Index(rows)
    rival = NearestNeighbors(n_neighbors=K, algorithm="brute", metric="cosine").fit(np.load(file))
    ours, theirs = index.nearest(queries, K)[0], rival.kneighbors(queries, return_distance=False)
    same = float(np.mean([len({*a} & {*b}) / K for a, b in zip(ours, theirs, strict=True)]))
    held = np.load(file)
    floor = seconds(lambda: held.sum(), repeats)
    print(f"\n{len(rows):,} x {rows.shape[1]}, {K} nearest; the two agree in {same:.2%}; floor {1e3 * floor:.1f} ms")
    print(f"{'':14}{'load':>10}{'one':>10}{'100':>10}  ms")
    for name, load, find in (
        ("ours", lambda: Index(np.load(file, mmap_mode="r")), index.nearest),
        (
            "scikit-learn",
            lambda: NearestNeighbors(n_neighbors=K, algorithm="brute", metric="cosine").fit(np.load(file)),
            lambda q, k: rival.kneighbors(q, k),
        ),
    ):
        once = seconds(lambda find=find: find(queries[:1], K), repeats)
        many = seconds(lambda find=find: find(queries, K), few)
        print(f"{name:14}{1e3 * seconds(load, few):10.1f}{1e3 * once:10.1f}{1e3 * many:10.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--npy", help="a file of float rows [N, D] in place of the synthetic ones")
    parser.add_argument("--sizes", nargs="*", default=["60000x128", "1000000x128"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    with threadpool_limits(args.threads), tempfile.TemporaryDirectory() as folder:
        if args.npy:
            measure(Path(args.npy), args.repeats)
            return
        for size in args.sizes:
            n, d = map(int, size.split("x"))
            file = Path(folder) / f"{size}.npy"
            np.save(file, np.random.default_rng(0).standard_normal((n, d), dtype=np.float32))
            measure(file, args.repeats)
            file.unlink()


if __name__ == "__main__":
    main()
