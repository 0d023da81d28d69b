"""Search beside scikit-learn's brute force: milliseconds a query, and what it costs to begin.

    python benchmarks/search.py [--npy FILE] [--sizes 60000x128 1000000x128] [--threads 2] [--tiny] [--write]

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

import common
from lookalike.neighbors.index import Index

K = 20


def seconds(work: Callable[[], Any], repeats: int) -> float:
    """The median time of some work."""
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def measure(file: Path, repeats: int, table: common.Table) -> None:
    """Add the rows of one file of rows."""
    rows = np.load(file, mmap_mode="r")
    queries = np.random.default_rng(1).standard_normal((100, rows.shape[1])).astype(np.float32)
    few = max(3, repeats // 5)
    index = Index(rows)
    rival = NearestNeighbors(n_neighbors=K, algorithm="brute", metric="cosine").fit(np.load(file))
    ours, theirs = index.nearest(queries, K)[0], rival.kneighbors(queries, return_distance=False)
    same = float(np.mean([len({*a} & {*b}) / K for a, b in zip(ours, theirs, strict=True)]))
    held = np.load(file)
    floor = seconds(lambda: held.sum(), repeats)
    size = f"{len(rows):,} x {rows.shape[1]}"
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
        taken = {"load": seconds(load, few), "one": once, "hundred": many, "floor": floor}
        table.data[f"{size}, {name}"] = taken
        table.row(size, name, *(f"{1e3 * s:.1f}" for s in taken.values()))
    table.note(f"{size}: the {K} nearest of the two agree in {same:.2%}.")


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--npy", help="a file of float rows [N, D] in place of the synthetic ones")
    parser.add_argument("--sizes", nargs="*", default=["60000x128", "1000000x128"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--tiny", action="store_true", help="a few rows")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    args = parser.parse_args(words)
    table = common.Table("search", ["rows", "who", "load, ms", "one query", "a hundred", "floor"])
    if args.tiny:
        args.sizes, args.repeats = ["300x8"], 2
    with threadpool_limits(args.threads), tempfile.TemporaryDirectory() as folder:
        if args.npy:
            measure(Path(args.npy), args.repeats, table)
        for size in () if args.npy else args.sizes:
            n, d = map(int, size.split("x"))
            file = Path(folder) / f"{size}.npy"
            np.save(file, np.random.default_rng(0).standard_normal((n, d), dtype=np.float32))
            measure(file, args.repeats, table)
            file.unlink()
    print(table.save(args.write))


if __name__ == "__main__":
    main()
