"""What each method learns in the same time: one row a method, from its own values and nothing else said.

    python studies/equal_time.py mnist:DIR cifar/ --budget 3m

Each run is a process of its own, `lookalike train METHOD DATA --budget T`, so that start, decoding, features and page
are part of the time, as for everybody; `lookalike evaluate` comes after it. kNN and linear accuracy are of the test
images; no value was chosen by them. Runs are kept below --out: a study that was interrupted goes on where it stopped.
Run nothing beside it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from lookalike.core.files import read_json, write_json
from lookalike.core.metrics import read_metrics
from lookalike.methods.find import find_method
from lookalike.runs.folder import RunFolder

METHODS = ("simclr", "byol", "simsiam", "vicreg", "swav", "deepcluster-v2", "deepcluster")


@dataclass(frozen=True)
class Row:
    """One run: its method, epochs made, accuracies on the test images, and seconds in all."""

    method: str
    epochs: int
    knn: float
    linear: float
    untrained: float | None
    verdict: str
    seconds: float


def main() -> None:
    """Make the runs that are missing, then print a table a data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", metavar="DATA")
    parser.add_argument("--budget", default="3m", metavar="T", help="of each run (default: %(default)s)")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--out", default="runs/equal-time")
    arguments = parser.parse_args()
    out = Path(arguments.out)
    for data in arguments.data:
        name = Path(data.split(":", 1)[-1]).name
        methods = arguments.methods.split(",")
        rows = [made(method, data, arguments.budget, out / name / method, method == methods[0]) for method in methods]
        print(f"\n{name}, {arguments.budget} a run\n\n{table(rows)}", flush=True)


def made(method: str, data: str, budget: str, folder: Path, first: bool) -> Row:
    """The row of a run, which is made if it is not there; the first one is measured beside the untrained network."""
    record = folder.with_suffix(".json")
    if not record.exists():
        begun = time.monotonic()
        words = ["train", method, data, "--budget", budget, "--out", str(folder)]
        subprocess.run([sys.executable, "-m", "lookalike", *words], check=True, stdout=sys.stderr)
        write_json(record, {"seconds": time.monotonic() - begun})
    run = RunFolder(folder)
    if not run.evaluation.exists():
        words = ["evaluate", str(folder), *([] if first else ["--no-baselines"])]
        subprocess.run([sys.executable, "-m", "lookalike", *words], check=True, stdout=sys.stderr)
    scores = read_json(run.evaluation)
    events = list(read_metrics(run.metrics))
    verdicts = [event["verdict"] for event in events if event["event"] == "look" and event["of"] == "network"]
    return Row(
        find_method(method).title,
        sum(event["event"] == "epoch" for event in events),
        scores["knn"],
        scores["linear"],
        scores.get("random.knn"),
        verdicts[-1].split(":", 1)[0] if verdicts else "none",
        read_json(record)["seconds"],
    )


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| method | epochs | kNN | linear | verdict | seconds in all |", "|---" * 6 + "|"]
    lines += [
        f"| {row.method} | {row.epochs} | {row.knn:.4f} | {row.linear:.4f} | {row.verdict} | {row.seconds:.0f} |"
        for row in rows
    ]
    lines += [f"\nkNN of the untrained network: {row.untrained:.4f}." for row in rows if row.untrained is not None]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
