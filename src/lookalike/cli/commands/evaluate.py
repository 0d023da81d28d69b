"""kNN and linear accuracy of a run's features, beside raw pixels and the untrained network."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lookalike.cli.parse import parse
from lookalike.core.files import read_json
from lookalike.engine.run_folder import RunFolder

USAGE = "lookalike evaluate RUN"


@dataclass(kw_only=True)
class Evaluate:
    """Measure frozen features where labels exist; the test split is used for the figures only."""

    run: str = ""
    """Run folder."""
    baselines: bool = True
    """Measure raw pixels and the untrained network too."""
    json: bool = False
    """Print JSON instead of a table."""
    device: str = "auto"
    """cpu, cuda, mps or auto."""
    threads: int | None = None
    """CPU threads; default: all cores."""


def run(words: list[str]) -> int:
    """Evaluate a run and print what was found."""
    options = parse(Evaluate, words, "lookalike evaluate", ("run",)).options
    folder = RunFolder.existing(options.run)
    from lookalike import api
    from lookalike.engine.distributed import first_process

    result = api.evaluate(folder, baselines=options.baselines, device=options.device, threads=options.threads)
    if not first_process():
        return 0
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        show(folder)
    return 0


def show(folder: RunFolder) -> None:
    """Print evaluation.json as a table."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    result = read_json(folder.evaluation)
    protocol = result["protocol"]
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("features")
    columns = {
        "knn": f"kNN (k = {protocol['k']})",
        "linear": "linear",
        "cluster.accuracy": f"{protocol['clusters']} groups",
    }
    columns = {key: title for key, title in columns.items() if key in result}
    for name in columns.values():
        table.add_column(name, justify="right")
    for title, prefix in (("trained", ""), ("untrained", "random."), ("pixels", "pixels.")):
        if prefix + "knn" in result:
            table.add_row(title, *(f"{result[prefix + key]:.2%}" for key in columns))
    print(f"accuracy on {protocol['test_rows']:,} test images, chance {protocol['chance']:.1%}")
    Console().print(table)
    if "classifier" in result:
        print(f"the classifier trained with labels: {result['classifier']:.2%}")
    if "cluster.spectral.accuracy" in result:
        print(
            f"groups are made without labels by k-means; by shape (spectral): {result['cluster.spectral.accuracy']:.2%}"
        )
