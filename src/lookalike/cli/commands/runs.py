"""Past runs: `ls` lists them, `show RUN` tells one."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lookalike.cli.parse import parse
from lookalike.core.durations import duration
from lookalike.core.errors import LookalikeError, did_you_mean
from lookalike.core.files import read_json
from lookalike.core.metrics import read_metrics
from lookalike.engine.run_folder import RunFolder, run_folders

USAGE = "lookalike runs ls|show"

_COLUMNS = ("status", "method", "images", "epoch", "loss", "knn", "linear")  # of the table; JSON has all


@dataclass(kw_only=True)
class List:
    """List the runs of a folder."""

    place: str = "runs"
    """Folder that holds run folders."""
    json: bool = False
    """Print JSON instead of a table."""


@dataclass(kw_only=True)
class Show:
    """Show one run: configuration, status, machine, what was measured."""

    run: str = ""
    """Run folder."""
    json: bool = False
    """Print JSON instead of words."""


def run(words: list[str]) -> int:
    """`runs ls [PLACE]` or `runs show RUN`."""
    verbs = {"ls": _list, "show": _show}
    if not words or words[0] in ("-h", "--help"):
        print("usage: lookalike runs ls [PLACE] [--json]\n       lookalike runs show RUN [--json]")
        return 0
    if words[0] not in verbs:
        raise LookalikeError(f"unknown command 'runs {words[0]}': {did_you_mean(words[0], verbs)}")
    return verbs[words[0]](words[1:])


def _list(words: list[str]) -> int:
    from pathlib import Path

    options = parse(List, words, "lookalike runs ls", ("place",)).options
    rows = [_summary(folder) for folder in run_folders(Path(options.place))]
    if options.json:
        print(json.dumps(rows, indent=2))
    elif not rows:
        print(f"no runs in {options.place}")
    else:
        from rich import box
        from rich.console import Console
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("run", overflow="fold")
        for name in _COLUMNS:
            table.add_column(name, no_wrap=True)
        for row in rows:
            table.add_row(str(row["run"]), *(_cell(row[name]) for name in _COLUMNS))
        Console().print(table)
    return 0


def _summary(folder: RunFolder) -> dict[str, object]:
    record, settings = folder.status(), folder.settings()
    found = read_json(folder.evaluation) if folder.evaluation.exists() else {}
    epochs = [event for event in read_metrics(folder.metrics) if event["event"] == "epoch"]
    return {
        "run": str(folder.path),
        "status": record["status"],
        "method": settings.get("method"),
        "data": settings.get("data"),
        "images": record["images"],
        "epoch": f"{epochs[-1]['epoch'] if epochs else 0}/{settings.get('epochs')}",
        "loss": round(epochs[-1]["loss"], 3) if epochs else None,
        "knn": found.get("knn"),
        "linear": found.get("linear"),
        "started": record["started"],
    }


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _show(words: list[str]) -> int:
    options = parse(Show, words, "lookalike runs show", ("run",)).options
    folder = RunFolder.existing(options.run)
    record, settings = folder.status(), folder.settings()
    looks = [event for event in read_metrics(folder.metrics) if event["event"] == "look"]
    found = read_json(folder.evaluation) if folder.evaluation.exists() else None
    if options.json:
        print(json.dumps({"record": record, "config": settings, "looks": looks, "evaluation": found}, indent=2))
        return 0
    print(f"{folder.path}: {record['status']}, started {record['started']}")
    print(f"command: {record['command']}")
    print("seconds: " + ", ".join(f"{name} {duration(s)}" for name, s in record["seconds"].items()))
    print("machine: " + ", ".join(f"{k} {v}" for k, v in {**record["machine"], **record["versions"]}.items()))
    print("config:  " + ", ".join(f"{key} = {value}" for key, value in settings.items()))
    if looks:
        print(f"verdict: {looks[-1].get('verdict', 'not trained yet')}")
    if found is not None:
        from lookalike.cli.commands.evaluate import show

        show(folder)
    return 0
