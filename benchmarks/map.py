"""A map of 10,000 images: ours, openTSNE alone, scikit-learn's t-SNE.

    python benchmarks/map.py [--rounds 5] [--tiny] [--write]

10,000 rows of 128 numbers in ten groups (made up, seed fixed). Ours lays out one frame as the page does: exact
neighbours by cosine, affinities and 400 iterations of openTSNE. "openTSNE, as long" is that library by itself with the
same perplexity, exactness, iterations and accuracy; what ours takes beside it is our own. "openTSNE" and "scikit-learn"
are their defaults, which are 750 and 1,000 iterations. "Kept" is the share of an image's 20 nearest that are
among its 20 nearest on the map.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import common
from common import Missing, Table, here, in_turns, serve, spread
from lookalike.core.machine import cores

SIZE, TINY = (10_000, 128), (200, 8)
REACH = 1.05  # of the seconds of openTSNE alone
SLOW = ("openTSNE", "scikit-learn")
"""Those who are timed once only."""


def rows(n: int, d: int) -> Any:
    """float32 [N, D]: ten groups, each along a bent sheet."""
    import numpy as np

    draw = np.random.default_rng(0)
    group = draw.integers(0, 10, n)
    along = draw.normal(size=(n, 4))
    centre, sheet, bend = (draw.normal(size=(10, *shape)) for shape in ((d,), (4, d), (4, d)))
    x = 2 * centre[group] + np.einsum("nk,nkd->nd", along, sheet[group])
    x += 0.5 * np.einsum("nk,nkd->nd", along**2, bend[group]) + 0.5 * draw.normal(size=(n, d))
    return x.astype(np.float32)


def kept(x: Any, y: Any) -> float:
    """The share of the 20 nearest rows that are among the 20 nearest on the map."""
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    from lookalike.evaluate.map import common_neighbours
    from lookalike.neighbors.numpy_backend import nearest_rows

    k = min(20, len(x) - 1)
    on_map = NearestNeighbors(n_neighbors=k).fit(np.asarray(y)).kneighbors(return_distance=False)
    return common_neighbours(nearest_rows(x, k)[0], on_map, k)


def worker(who: str, size: tuple[int, int], threads: int) -> None:
    from lookalike.evaluate import map as ours

    x = rows(*size)
    maps: list[Any] = []

    def our_map() -> Any:
        return ours.aligned_maps([x], threads=threads)[0]

    def as_long() -> Any:
        from openTSNE import TSNE

        plain = TSNE(
            perplexity=ours.PERPLEXITY,
            metric="cosine",
            neighbors="exact",
            theta=ours._THETA,
            early_exaggeration_iter=ours._EXAGGERATED,
            early_exaggeration=12,
            n_iter=ours._PLAIN,
            initial_momentum=0.8,
            final_momentum=0.8,
            n_jobs=threads,
            random_state=0,
        )
        return plain.fit(x)

    def defaults() -> Any:
        from openTSNE import TSNE

        return TSNE(metric="cosine", n_jobs=threads, random_state=0).fit(x)

    def scikit_learn() -> Any:
        from sklearn.manifold import TSNE

        return TSNE(metric="cosine", n_jobs=threads, random_state=0, init="pca").fit_transform(x)

    laid_out = {"ours": our_map, "openTSNE, as long": as_long, "openTSNE": defaults, "scikit-learn": scikit_learn}[who]

    def work() -> dict[str, float]:
        maps[:] = [laid_out()]
        return {}

    def answer() -> dict[str, float]:
        work()
        begun = time.perf_counter()
        return {"kept": kept(x, maps[0]), "judged": time.perf_counter() - begun}

    if who in SLOW:
        serve(answer, warm=0)
    else:
        work()
        serve(work, about={"kept": kept(x, maps[0])}, warm=0)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="few rows, in one process and one thread")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    parser.add_argument("--worker", metavar="WHO", help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    size = TINY if args.tiny else SIZE
    if args.worker:
        worker(args.worker, size, 1 if args.tiny else cores())
        return
    table = Table("map", ("who", "seconds: median (range)", "of openTSNE, as long", "kept"))
    found: dict[str, list[dict[str, Any]]] = {}
    quality: dict[str, float] = {}
    for names, rounds in ((("ours", "openTSNE, as long"), args.rounds), (SLOW, 1)):
        workers: dict[str, common.Worker | common.Together] = {}
        try:
            for name in names:
                try:
                    command = here("map.py", "--worker", name, *(["--tiny"] if args.tiny else []))
                    workers[name] = common.worker(command, together=args.tiny)
                except Missing as reason:
                    table.row(name, str(reason))
            found |= in_turns(workers, rounds, pause=0.0 if args.tiny else 0.3)
            quality |= {name: one.about.get("kept", found[name][-1].get("kept")) for name, one in workers.items()}
        finally:
            for one in workers.values():
                one.close()
    took = {name: [turn["seconds"] - turn.get("judged", 0.0) for turn in turns] for name, turns in found.items()}
    median = {name: statistics.median(seconds) for name, seconds in took.items()}
    for name, seconds in took.items():
        ratio = median[name] / median["openTSNE, as long"]
        told = f"{ratio:.2f}" + (f" (to reach: {REACH:g})" if name == "ours" and not args.tiny else "")
        table.row(name, spread(seconds, 2), told, f"{quality[name]:.3f}")
    table.data = found
    table.note(f"{size[0]:,} x {size[1]} rows.")
    print(f"kept in {table.save(args.write)}")


if __name__ == "__main__":
    main()
