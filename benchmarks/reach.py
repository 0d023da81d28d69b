"""What the default presets reach: accuracy over seeds, beside pixels and the untrained network.

    python benchmarks/reach.py mnist --data mnist:DIR --seeds 0,1,2
    python benchmarks/reach.py cifar10 --data DIR --seeds 0,1,2

Each seed is a run folder under --out, so an interrupted study goes on where it stopped. Prints a table and
writes OUT/reach-NAME.json. Run nothing else meanwhile: the seconds are those of a whole machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

from lookalike import api
from lookalike.core import machine
from lookalike.core.files import write_json
from lookalike.core.metrics import read_metrics
from lookalike.methods.simclr import Options

KEYS = ("linear", "knn", "random.linear", "random.knn", "pixels.linear", "pixels.knn")


def one(data: str, out: Path, seed: int, changes: dict[str, str]) -> dict[str, float]:
    """Train and evaluate one seed."""
    options = Options(data=data, out=str(out), seed=seed)
    for name, value in changes.items():
        setattr(options, name, type(getattr(options, name))(value))
    begun = time.monotonic()
    run = api.train("simclr", options, {"seed", *changes}, command="benchmarks/reach.py")
    wall = time.monotonic() - begun
    found = json.loads(run.evaluation.read_text()) if run.evaluation.exists() else api.evaluate(run)
    rates = [event["images_per_s"] for event in read_metrics(run.metrics) if event["event"] == "epoch"]
    seconds = run.status()["seconds"]
    return {
        **{key: found[key] for key in KEYS},
        "train_seconds": seconds["train"],
        "wall_seconds": wall,
        "evaluate_seconds": seconds["evaluate"],
        "views_per_s": 2 * statistics.median(rates),
    }


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--data", required=True)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--out", default="runs/reach")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="other options of SimCLR")
    arguments = parser.parse_args()
    changes = dict(item.split("=", 1) for item in arguments.set)
    rows = []
    for seed in arguments.seeds.split(","):
        out = Path(arguments.out) / f"{arguments.name}-{seed}"
        rows.append({"seed": int(seed), **one(arguments.data, out, int(seed), changes)})
        print(rows[-1], flush=True)
    table = {
        key: {"mean": statistics.fmean(r[key] for r in rows), "spread": statistics.pstdev(r[key] for r in rows)}
        for key in rows[0]
        if key != "seed"
    }
    for key, value in table.items():
        print(f"{key:18} {value['mean']:10.4f} +- {value['spread']:.4f}")
    result = {"data": arguments.data, "rows": rows, "table": table}
    result |= {"machine": machine.description(), "versions": machine.versions()}
    write_json(Path(arguments.out) / f"reach-{arguments.name}.json", result)


if __name__ == "__main__":
    main()
