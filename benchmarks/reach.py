"""What the default presets reach: accuracy over seeds, beside pixels and the untrained network.

    python benchmarks/reach.py mnist --data mnist:DIR --seeds 0,1,2
    python benchmarks/reach.py cifar10 --data DIR --seeds 0,1,2

Each seed is a run folder under --out, so an interrupted study goes on where it stopped. Prints a table and
writes its JSON. Run nothing else meanwhile: the seconds are those of a whole machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import common
from lookalike import api
from lookalike.core.metrics import read_metrics
from lookalike.methods.simclr import Options

KEYS = ("linear", "knn", "random.linear", "random.knn", "pixels.linear", "pixels.knn")


def one(data: str, out: Path, seed: int, changes: dict[str, str]) -> dict[str, float]:
    """Train and evaluate one seed."""
    options = Options(data=data, out=str(out), seed=seed)
    for name, value in changes.items():
        setattr(options, name, value if getattr(options, name) is None else type(getattr(options, name))(value))
    begun = time.monotonic()
    run = api.train("simclr", options, {"seed", *changes}, command="benchmarks/reach.py")
    wall = time.monotonic() - begun
    found = json.loads(run.evaluation.read_text()) if run.evaluation.exists() else api.evaluate(run)
    rates = [event["images_per_s"] for event in read_metrics(run.metrics) if event["event"] == "epoch"]
    seconds = run.status().seconds
    return {
        **{key: found[key] for key in KEYS},
        "train_seconds": seconds["train"],
        "wall_seconds": wall,
        "evaluate_seconds": seconds["evaluate"],
        "views_per_s": 2 * statistics.median(rates),
    }


def main(words: list[str] | None = None) -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--data", required=True)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--out", default="runs/reach")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="other options of SimCLR")
    parser.add_argument("--tiny", action="store_true", help="one epoch of a tiny network, one seed")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    arguments = parser.parse_args(words)
    if arguments.tiny:
        arguments.seeds, arguments.set = "0", ["epochs=1", "width=4", *arguments.set]
    changes = dict(item.split("=", 1) for item in arguments.set)
    rows = []
    for seed in arguments.seeds.split(","):
        out = Path(arguments.out) / f"{arguments.name}-{seed}"
        rows.append({"seed": int(seed), **one(arguments.data, out, int(seed), changes)})
        print(rows[-1], flush=True)
    table = common.Table(f"reach_{arguments.name}", ["what", "mean", "standard deviation"])
    table.data = {"data": arguments.data, "seeds": rows}
    for key in [key for key in rows[0] if key != "seed"]:
        values = [row[key] for row in rows]
        table.row(key, f"{statistics.fmean(values):.4f}", f"{statistics.pstdev(values):.4f}")
    print(table.save(arguments.write))


if __name__ == "__main__":
    main()
