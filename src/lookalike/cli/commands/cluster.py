"""Group the images of a run by what was learned, or by other features."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lookalike.cli.parse import parse
from lookalike.core.load_options import LoadOptions, said_load_options
from lookalike.core.words import counted
from lookalike.runs.clusters import ClusterRecord
from lookalike.runs.folder import RunFolder

USAGE = "lookalike cluster RUN --k K"
_SHOWN = 12  # groups listed by size, at the most


@dataclass(kw_only=True)
class Cluster(LoadOptions):
    """Group a run's images: fills the column `cluster` of its index.csv."""

    run: str = ""
    """Run folder."""
    k: str = "auto"
    """Number of groups, or auto: proposed by stability under resampling and silhouette."""
    way: Literal["kmeans", "spectral"] = "kmeans"
    """kmeans: round groups of like size; spectral: groups that follow the shape of the data."""
    features: Literal["trained", "untrained", "pixels", "histograms"] = "trained"
    """What images are grouped by: the trained network, the same untrained, raw pixels, or colour histograms with
    coarse thumbnails."""
    seed: int = 0
    """Seed of the grouping."""
    threads: int | None = None
    """CPU threads; default: all cores."""
    json: bool = False
    """Print JSON instead of tables."""

    def problems(self) -> Iterator[str]:
        """Every value that cannot be, in words."""
        if not self.run:
            yield "no run named: lookalike cluster RUN --k K"
        if self.k != "auto" and not (self.k.isdecimal() and int(self.k) >= 2):
            yield f"--k must be auto or an integer of at least 2, got {self.k!r}"
        yield from super().problems()


def run(words: list[str]) -> int:
    """Group and print what was found."""
    parsed = parse(Cluster, words, "lookalike cluster", ("run",), check=Cluster.problems)
    options, load_options = parsed.options, said_load_options(parsed.options, parsed.sources)
    folder = RunFolder.existing(options.run)
    from lookalike import api
    from lookalike.core import machine
    from lookalike.engine.clustering import group_run

    machine.prepare(options.threads)
    k = options.k if options.k == "auto" else int(options.k)
    given = None
    if options.features != api.TRAINED:
        given = options.features, api.features_of_kind(folder, options.features, load_options)[0]
    result = group_run(folder, k, options.way, options.seed, given)
    if options.json:
        print(json.dumps(result.to_json(), indent=2))
    else:
        _show(result)
        print(f"the group of each image: column cluster of {folder.index}")
    better = api.better_for_groups(folder, result, load_options) if options.features == api.TRAINED else None
    if better is not None:
        again = ["lookalike", "cluster", options.run, "--k", str(result.k), "--features", better[0]]
        print(f"{better[0]} may serve better: {better[1]}. Try: {shlex.join(again)}", file=sys.stderr)
    return 0


def _show(result: ClusterRecord) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if result.scores:
        table = Table(box=box.SIMPLE_HEAD)
        for title in ("k", "stability", "silhouette", "sum"):
            table.add_column(title, justify="right")
        for score in result.scores:
            mark = " <" if score.k == result.k else ""
            table.add_row(
                str(score.k),
                f"{score.stability:.2f}",
                f"{score.silhouette:.2f}",
                f"{score.total:.2f}{mark}",
            )
        console.print(table)
        print(f"proposed: {counted(result.k, 'group')}; neighbours with nearly the same sum are as good")
    sizes = sorted(result.sizes, reverse=True)
    listed = ", ".join(f"{size:,}" for size in sizes[:_SHOWN]) + (", ..." if len(sizes) > _SHOWN else "")
    by = f", by {result.features}" if result.features else ""
    print(f"{counted(result.k, 'group')} ({result.method}{by}) of sizes {listed}")
    scores = result.agreement
    if scores is not None:
        print(
            f"against the labels of {counted(result.labelled or 0, 'image')}: "
            f"matched accuracy {scores.accuracy or 0.0:.1%}, "
            f"NMI {scores.nmi or 0.0:.2f}, ARI {scores.ari or 0.0:.2f}, purity {scores.purity or 0.0:.1%}"
        )
