"""Train on the bundled handwritten digits and compare with pixels and an untrained network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from lookalike.cli.page import report_line
from lookalike.cli.parse import parse
from lookalike.core import machine
from lookalike.runs.folder import RunFolder

USAGE = "lookalike demo"


@dataclass(kw_only=True)
class Demo:
    """SimCLR and both DeepClusters on the 1,797 digits bundled with scikit-learn, without any label."""

    out: str = "runs/demo"
    """Run folder."""
    seed: int = 0
    """Seed of weights, order and augmentation."""
    threads: int | None = None
    """CPU threads; default: all cores."""
    report: bool = True
    """Write the page of the first method, report.html."""
    json: bool = False
    """Print JSON instead of a table."""


def run(words: list[str]) -> int:
    """Run the demonstration and print its table."""
    options = parse(Demo, words, "lookalike demo").options
    from lookalike.demo import COLUMNS, beside, run_demo

    if not options.json:
        print("Learning from 1,797 digits without their labels, then measuring with them.")
    machine.prepare(options.threads)
    result = run_demo(options.out, options.seed, options.threads)
    page = report_line(RunFolder(Path(options.out)), threads=options.threads) if options.report else ""
    if options.json:
        print(json.dumps(result, indent=2))
        return 0
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("features")
    for title in COLUMNS.values():
        table.add_column(title, justify="right")
    for name, row in result["rows"].items():
        table.add_row(name, *(f"{row[key]:.1%}" for key in COLUMNS))
    Console().print(table)
    print(f"{result['seconds']['demo']:.0f} s in all; everything is in {options.out}")
    if page:
        print(f"report: {page}")
        print(f"all methods side by side: lookalike report {options.out} {' '.join(beside(options.out))}")
    print("Your own images: lookalike DIR")
    return 0
