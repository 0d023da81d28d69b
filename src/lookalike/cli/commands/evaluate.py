"""kNN and linear accuracy of a run's features, beside raw pixels and the untrained network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lookalike.cli.parse import parse
from lookalike.core.files import read_json
from lookalike.engine.run_folder import RunFolder
from lookalike.evaluate.comparison import training_paid

USAGE = "lookalike evaluate RUN"


@dataclass(kw_only=True)
class Evaluate:
    """Measure frozen features where labels exist; the test split is used for the figures only."""

    run: str = ""
    """Run folder."""
    data: str | tuple[str, ...] = ""
    """Labelled images to evaluate on, where they are not those that the run was trained on: transfer."""
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

    if options.data:
        return _transfer(folder, options)
    result = api.evaluate(folder, baselines=options.baselines, device=options.device, threads=options.threads)
    if not first_process():
        return 0
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        show(folder)
    return 0


def _transfer(folder: RunFolder, options: Evaluate) -> int:
    from lookalike import api

    path, result = api.evaluate_on(
        folder, options.data, baselines=options.baselines, device=options.device, threads=options.threads
    )
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        protocol = result["protocol"]
        print(f"on {protocol['data']}; training saw {protocol['training_saw']}")
        show_result(result, "this network")
        print(f"written: {path}")
    return 0


def show(folder: RunFolder) -> None:
    """Print evaluation.json as a table."""
    trained = folder.settings().get("epochs", 1) > 0
    show_result(read_json(folder.evaluation), "trained" if trained else "not trained")


def show_result(result: dict[str, Any], title: str) -> None:
    """Print what was found as a table; `title` is of the row of the run's network."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

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
    rows = {title: "", "began with": "init.", "untrained": "random.", "pixels": "pixels."}
    for name, prefix in rows.items():
        if prefix + "knn" in result:
            table.add_row(name, *(f"{result[prefix + key]:.2%}" for key in columns))
    print(f"accuracy on {protocol['test_rows']:,} test images, chance {protocol['chance']:.1%}")
    Console().print(table)
    paid = training_paid(result)
    if paid:
        print(paid)
    if "classifier" in result:
        print(f"the classifier trained with labels: {result['classifier']:.2%}")
    if "cluster.spectral.accuracy" in result:
        print(
            f"groups are made without labels by k-means; by shape (spectral): {result['cluster.spectral.accuracy']:.2%}"
        )
