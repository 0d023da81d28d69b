"""The paper's Table 1, done again: supervised against self-supervised, on MNIST and CIFAR-10.

    python studies/paper_table.py --mnist mnist:DIR --cifar10 DIR

Every row is trained and evaluated in a run folder of its own below --out (DATA-ROW-SEED), so a study that was
interrupted goes on where it stopped, and a finished one only prints. `--write` puts the tables into
docs/results/paper.json and docs/results.md. Run nothing else meanwhile: the seconds are those of a whole machine.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lookalike import api
from lookalike.core import machine, registry
from lookalike.core.files import read_json, write_json
from lookalike.data.base import Images
from lookalike.data.loading import load as load_images

DOCS = Path(__file__).parents[1] / "docs"
COLUMNS = {
    "classifier": "classifier",
    "linear": "linear",
    "knn": "kNN",
    "cluster.accuracy": "k-means, 10",
    "cluster.spectral.accuracy": "spectral, 10",
    "cluster.nmi": "NMI of k-means",
}


@dataclass(frozen=True)
class Row:
    """A row of the table: a method and what differs from its recipe."""

    title: str
    method: str
    changes: dict[str, Any] = field(default_factory=dict)


# The paper's own: an AlexNet, as many clusters as classes, clustering and a new head every epoch, one augmentation
# for all (crops and mirroring, as its source did), momentum SGD.
_PAPER = {"encoder": "alexnet", "n_clusters": 10, "every": 1, "augment": "crop-flip", "crop_min": 0.08}

ROWS = {
    "supervised": Row("supervised", "supervised"),
    "simclr": Row("SimCLR", "simclr"),
    "deepcluster": Row("DeepCluster", "deepcluster"),
    "deepcluster-v2": Row("DeepCluster-v2", "deepcluster-v2"),
    "deepcluster-k10": Row("DeepCluster, 10 clusters", "deepcluster", {"n_clusters": 10}),
    "deepcluster-paper": Row("DeepCluster, AlexNet, 10 clusters (the paper's)", "deepcluster", _PAPER),
}
BASELINES = {"pixels.": "raw pixels", "random.": "untrained network"}
PAPER = {
    "mnist": {"supervised": 0.982, "self-supervised": 0.9193},
    "cifar10": {"supervised": 0.7409, "self-supervised": 0.3536},
}


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", metavar="DATA")
    parser.add_argument("--cifar10", metavar="DATA")
    parser.add_argument("--seeds", default="0,1,2", help="seeds for MNIST")
    parser.add_argument("--cifar10-seeds", default="0", help="seeds for CIFAR-10")
    parser.add_argument("--rows", default=",".join(ROWS), help="rows to run")
    parser.add_argument("--out", default="runs/paper-table")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/results.md")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.rows.split(",") if name not in ROWS]
    if unknown or not (arguments.mnist or arguments.cifar10):
        parser.error(f"unknown rows: {unknown}; there are {list(ROWS)}" if unknown else "name --mnist or --cifar10")
    out = Path(arguments.out)
    for name, data, seeds in (
        ("mnist", arguments.mnist, arguments.seeds),
        ("cifar10", arguments.cifar10, arguments.cifar10_seeds),
    ):
        if data:
            images = load_images(data)
            for seed in map(int, seeds.split(",")):
                for row in arguments.rows.split(","):
                    run_row(row, data, images, seed, out / f"{name}-{row}-{seed}")
    found = tables(out)
    for each in found:
        print(f"\n{each['title']}\n")
        for cells in (each["columns"], ["---"] * len(each["columns"]), *each["rows"]):
            print(f"| {' | '.join(cells)} |")
        print(f"\n{each['note']}")
    if arguments.write:
        write(found)


def run_row(row: str, data: str, images: Images, seed: int, folder: Path) -> None:
    """Train and evaluate one row with one seed, unless that was done before."""
    done = folder / "study.json"
    if done.exists():
        return
    entry = ROWS[row]
    kind = registry.find("methods", entry.method, "method").Options
    options = kind(data=data, out=str(folder), seed=seed, **entry.changes)
    commit = git_commit()
    print(f"== {folder.name}", flush=True)
    run = api.train(entry.method, options, {"seed", *entry.changes}, images=images, command=shlex.join(sys.argv))
    # pixels and the untrained network are the same for every row of a data set, and nearly so for every seed
    baselines = row == "supervised" and not list(folder.parent.glob(f"{folder.name[:-1]}*/study.json"))
    found = api.evaluate(run, baselines=baselines, images=images)
    record = {"row": row, "seed": seed, "commit": commit, "found": found, "seconds": run.status().seconds}
    write_json(done, {**record, "machine": machine.description(), "versions": machine.versions()})
    print(f"   linear {found['linear']:.4f}  {record['seconds']}", flush=True)


def git_commit() -> str:
    """The commit that is checked out, with a + where files differ from it."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parent,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()


def tables(out: Path) -> list[dict[str, Any]]:
    """The tables of everything found below `out`, as docs/figures.py keeps them."""
    found = []
    for name, title in (("mnist", "MNIST"), ("cifar10", "CIFAR-10 (JPEG copy)")):
        records = [read_json(path) for path in sorted(out.glob(f"{name}-*/study.json"))]
        if records:
            columns = ["", *COLUMNS.values(), "training, s", "seeds"]
            rows = table(records, PAPER[name])
            found.append({"title": title, "columns": columns, "rows": rows, "note": provenance(records)})
    return found


def table(records: list[dict[str, Any]], paper: dict[str, float]) -> list[list[str]]:
    """One row a line: mean and spread over seeds; the paper's figures at the top."""
    rows = [
        ["the paper, supervised", f"{paper['supervised']:.4f}", *[""] * (len(COLUMNS) + 1)],
        ["the paper, self-supervised", "", f"{paper['self-supervised']:.4f}", *[""] * len(COLUMNS)],
    ]
    for prefix, title in BASELINES.items():
        found = [r["found"] for r in records if f"{prefix}linear" in r["found"]]
        if found:
            rows.append(line(title, [{k: f.get(prefix + k) for k in COLUMNS} for f in found], []))
    for name, row in ROWS.items():
        mine = [r for r in records if r["row"] == name]
        if mine:
            rows.append(line(row.title, [r["found"] for r in mine], [r["seconds"]["train"] for r in mine]))
    return rows


def line(title: str, found: list[dict[str, Any]], seconds: list[float]) -> list[str]:
    """A row of the table."""
    cells = []
    for key in COLUMNS:
        values = [f[key] for f in found if f.get(key) is not None]
        spread = f" +- {statistics.pstdev(values):.4f}" if len(values) > 1 else ""
        cells.append(f"{statistics.fmean(values):.4f}{spread}" if values else "")
    span = f"{statistics.fmean(seconds):.0f} ({min(seconds):.0f}..{max(seconds):.0f})" if seconds else ""
    return [title, *cells, span, str(len(found))]


def provenance(records: list[dict[str, Any]]) -> str:
    """Machine, versions and commits of the runs."""
    commits = sorted({r["commit"] for r in records})
    where = {json.dumps([r["machine"]["processor"], r["machine"]["cores"], r["versions"]["torch"]]) for r in records}
    places = "; ".join(f"{p}, {c} cores, torch {t}" for p, c, t in map(json.loads, sorted(where)))
    seeds = sorted({r["seed"] for r in records})
    return f"Seeds {seeds}; {places}; commit {', '.join(commits)}."


def write(found: list[dict[str, Any]]) -> None:
    """Put the tables into docs/results/paper.json, with all else that the file says, and docs/results.md."""
    sys.path.append(str(DOCS))
    import figures

    figures.write("paper", {**figures.read("paper"), "tables": found, "command": shlex.join(["python", *sys.argv])})


if __name__ == "__main__":
    main()
