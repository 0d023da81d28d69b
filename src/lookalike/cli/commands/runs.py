"""Past runs: `ls` lists them, `show RUN` tells one, `diff A B` says why two differ."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from lookalike.cli.parse import parse
from lookalike.core.durations import duration
from lookalike.core.errors import LookalikeError, did_you_mean
from lookalike.core.files import read_json
from lookalike.core.metrics import read_metrics
from lookalike.core.progress import phase
from lookalike.runs.folder import RunFolder, run_folders
from lookalike.runs.looks import looks_in

USAGE = "lookalike runs ls|show|diff"

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


@dataclass(kw_only=True)
class Diff:
    """Why two runs differ: settings, images, versions, machines, and what came of them."""

    run: str = ""
    """Run folder."""
    other: str = ""
    """Run folder that it is compared with."""
    json: bool = False
    """Print JSON instead of tables."""

    def problems(self) -> Iterator[str]:
        """Every value that cannot be, in words."""
        if not self.run or not self.other:
            yield "two runs are compared: lookalike runs diff RUN RUN"


def run(words: list[str]) -> int:
    """`runs ls [PLACE]`, `runs show RUN` or `runs diff RUN RUN`."""
    verbs = {"ls": _list, "show": _show, "diff": _diff}
    if not words or words[0] in ("-h", "--help"):
        print("usage: lookalike runs ls [PLACE] [--json]\n       lookalike runs show RUN [--json]")
        print("       lookalike runs diff RUN RUN [--json]")
        return 0
    if words[0] not in verbs:
        raise LookalikeError(f"unknown command 'runs {words[0]}': {did_you_mean(words[0], verbs)}")
    return verbs[words[0]](words[1:])


def _list(words: list[str]) -> int:
    from pathlib import Path

    options = parse(List, words, "lookalike runs ls", ("place",)).options
    rows, broken = [], []
    with phase("reading runs") as p:
        for folder in p.over(run_folders(Path(options.place))):
            try:
                rows.append(_summary(folder))
            except LookalikeError as error:
                broken.append(str(error))
            except (KeyError, TypeError, AttributeError, ValueError):  # JSON of something else
                broken.append(f"{folder.record} or a file beside it is not what a run writes")
    for why in broken:
        print(f"not listed: {why}", file=sys.stderr)
    if options.json:
        print(json.dumps(rows, indent=2))
    elif not rows:
        if broken:
            return 1
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
    evaluation = read_json(folder.evaluation) if folder.evaluation.exists() else {}
    epochs = [event for event in read_metrics(folder.metrics) if event["event"] == "epoch"]
    return {
        "run": str(folder.path),
        "status": record.status,
        "method": settings.get("method"),
        "data": settings.get("data"),
        "images": record.images,
        "epoch": f"{epochs[-1]['epoch'] if epochs else 0}/{settings.get('epochs')}",
        "loss": round(epochs[-1]["loss"], 3) if epochs else None,
        "knn": evaluation.get("knn"),
        "linear": evaluation.get("linear"),
        "started": record.started,
    }


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _show(words: list[str]) -> int:
    options = parse(Show, words, "lookalike runs show", ("run",)).options
    folder = RunFolder.existing(options.run)
    record, settings = folder.status(), folder.settings()
    looks = [event for event in read_metrics(folder.metrics) if event["event"] == "look"]
    evaluation = read_json(folder.evaluation) if folder.evaluation.exists() else None
    if options.json:
        parts = {"record": record.to_json(), "config": settings, "looks": looks, "evaluation": evaluation}
        print(json.dumps(parts, indent=2))
        return 0
    print(f"{folder.path}: {record.status}, started {record.started}")
    print(f"command: {record.command}")
    print("seconds: " + ", ".join(f"{name} {duration(s)}" for name, s in record.seconds.items()))
    print("machine: " + ", ".join(f"{k} {v}" for k, v in {**record.machine, **record.versions}.items()))
    print("config:  " + ", ".join(f"{key} = {value}" for key, value in settings.items()))
    if looks:
        print(f"verdict: {looks_in(looks)[-1].verdict or 'not trained yet'}")
    if evaluation is not None:
        from lookalike.cli.commands.evaluate import show

        show(folder)
    return 0


def _diff(words: list[str]) -> int:
    from pathlib import Path

    from lookalike.report.differences import differences
    from lookalike.runs.reader import RunReader

    options = parse(Diff, words, "lookalike runs diff", ("run", "other"), check=Diff.problems).options
    one, other = RunReader(Path(options.run)), RunReader(Path(options.other))
    differing = differences(one, other)
    for sentence in (*one.missing, *other.missing):
        print(f"not compared: {sentence}", file=sys.stderr)
    if options.json:
        print(json.dumps(differing.event(), indent=2))
        return 0
    if differing.none:
        print(f"{one.path} and {other.path} differ in nothing that is on record")
        return 0
    from rich import box
    from rich.console import Console
    from rich.table import Table

    for part, rows in differing.parts.items():
        if not rows:
            print(f"{part}: the same")
            continue
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=part, title_justify="left")
        table.add_column("", no_wrap=True)
        heads = (one.name, other.name) if one.name != other.name else differing.names
        for name in (*heads, *(["by chance"] if part == "figures" else [])):
            table.add_column(name, overflow="fold")
        for key, (x, y) in rows.items():
            table.add_row(
                key, _cell(x), _cell(y), *([_beyond(differing.by_chance, key, x, y)] if part == "figures" else [])
            )
        Console(highlight=False).print(table)
    return 0


def _beyond(by_chance: dict[str, float], key: str, x: object, y: object) -> str:
    """Whether two figures differ by more than chance; nothing where that is not known."""
    if key not in by_chance or not isinstance(x, int | float) or not isinstance(y, int | float):
        return ""
    return f"{'more than' if abs(x - y) > by_chance[key] else 'within'} ± {by_chance[key]:.3f}"
