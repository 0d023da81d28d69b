"""kNN and linear accuracy of a run's features, beside pixels, histograms and the untrained network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

from lookalike.cli.parse import parse
from lookalike.core import machine
from lookalike.core.files import read_json
from lookalike.core.load_options import LoadOptions, said_load_options
from lookalike.core.options import at_least
from lookalike.core.record_types import Record
from lookalike.core.words import counted
from lookalike.evaluate.comparison import training_paid
from lookalike.runs.evaluation import Evaluation
from lookalike.runs.folder import RunFolder

USAGE = "lookalike evaluate RUN"
_CELL = len("99.9+-9.9")


@dataclass(kw_only=True)
class Evaluate(LoadOptions):
    """Measure frozen features where labels exist; the test split is used for the figures only."""

    run: str = ""
    """Run folder."""
    data: str | tuple[str, ...] = ""
    """Labelled images to evaluate on, where they are not those that the run was trained on: transfer."""
    baselines: bool = True
    """Measure raw pixels, colour histograms with thumbnails, and the untrained network too."""
    labels: str | None = None
    """Labels of each class, such as 1,5,10: what so few are worth. Figures that are there already are not measured
    again."""
    seeds: int = 10
    """Drawings of these few labels."""
    finetune: bool = True
    """With --labels, train the network on with them too, from its weights and from scratch; the slow part."""
    json: bool = False
    """Print JSON instead of a table."""
    device: str = "auto"
    """cpu, cuda, mps or auto."""
    threads: int | None = None
    """CPU threads; default: all cores."""

    def problems(self) -> Iterator[str]:
        """Every value that cannot be, in words."""
        if not self.run:
            yield f"no run named: {USAGE}"
        if self.labels is not None and not self.per_class():
            yield f"--labels must be positive integers separated by commas, such as 1,5,10, got {self.labels!r}"
        yield from at_least(self, 1, "seeds", "threads")
        yield from super().problems()

    def per_class(self) -> list[int]:
        """The numbers of --labels, ascending; none where they cannot be read."""
        words = [word.strip() for word in (self.labels or "").split(",")]
        return sorted({int(word) for word in words}) if all(w.isdecimal() and int(w) > 0 for w in words) else []


class _Where(TypedDict):
    """Arguments that all evaluations take."""

    baselines: bool
    device: str
    threads: int | None
    load_options: dict[str, object]


def run(words: list[str]) -> int:
    """Evaluate a run and print what was found."""
    parsed = parse(Evaluate, words, "lookalike evaluate", ("run",), check=Evaluate.problems)
    options, load_options = parsed.options, said_load_options(parsed.options, parsed.sources)
    folder = RunFolder.existing(options.run)
    from lookalike import api
    from lookalike.engine.distributed import first_process

    machine.prepare(options.threads)
    where = _Where(
        baselines=options.baselines, device=options.device, threads=options.threads, load_options=load_options
    )
    if options.data:
        return _transfer(folder, options, where)
    if options.labels is None or "knn" not in (read_json(folder.evaluation) if folder.evaluation.exists() else ()):
        api.evaluate(folder, **where)
    if not first_process():
        return 0
    if options.labels is not None:
        api.few_labels(folder, options.per_class(), options.seeds, finetune=options.finetune, **where)
    if options.json:
        print(json.dumps(read_json(folder.evaluation), indent=2))
    else:
        show(folder)
    return 0


def _transfer(folder: RunFolder, options: Evaluate, where: _Where) -> int:
    from lookalike import api

    path, result = api.evaluate_on(folder, options.data, **where)
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


def show_result(result: Record, title: str) -> None:
    """Print what was found as a table; `title` is of the row of the run's network."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from lookalike.evaluate.baselines import BASELINES

    protocol = result["protocol"]
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("features")
    columns = {
        "knn": f"kNN (k = {protocol.get('k')})",
        "linear": "linear",
        "cluster.accuracy": f"{counted(protocol.get('clusters'), 'group')}",
    }
    columns = {key: title for key, title in columns.items() if key in result}
    for name in columns.values():
        table.add_column(name, justify="right")
    rows = {title: "", "began with": "init.", "untrained": "random.", **{name: f"{name}." for name in BASELINES}}
    for name, prefix in rows.items():
        if prefix + "knn" in result:
            table.add_row(name, *(f"{result[prefix + key]:.2%}" for key in columns))
    of_all = protocol.get("sample_of")
    sample = f" (a sample of {of_all['test_rows']:,}, as the time was short)" if of_all else ""
    print(f"accuracy on {counted(protocol['test_rows'], 'test image')}{sample}, chance {protocol['chance']:.1%}")
    if columns:
        Console().print(table)
    paid = training_paid(Evaluation.from_json(result))
    if paid:
        print(paid)
    if "classifier" in result:
        print(f"the classifier trained with labels: {result['classifier']:.2%}")
    if "cluster.spectral.accuracy" in result:
        print(
            f"groups are made without labels by k-means; by shape (spectral): {result['cluster.spectral.accuracy']:.2%}"
        )
    if "few_labels" in result:
        show_few(result["few_labels"])
    finetuned = result.get("finetune", {})
    if finetuned.get("finetuned") is not None:
        scratch = "" if finetuned.get("scratch") is None else f", from scratch {finetuned['scratch']:.2%}"
        print(f"learned from {counted(finetuned['labels'], 'label')}: fine-tuned {finetuned['finetuned']:.2%}{scratch}")


def show_few(few_labels: Record) -> None:
    """Print the table of few labels: a row for features and number of labels, a column for each classifier."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from lookalike.evaluate.baselines import BASELINES

    protocol = few_labels["protocol"]
    titles = {
        "knn": "nearest",
        "linear": "linear",
        "finetuned": "trained on",
        "plain.knn": "nearest, plain",
        "plain.linear": "linear, plain",
    }
    kinds = {name: few_labels[name] for name in ("trained", "untrained", *BASELINES) if name in few_labels}
    classifiers = [
        classifier
        for classifier in titles
        if any(classifier in row for rows in kinds.values() for row in rows.values())
    ]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("features")
    table.add_column("labels", justify="right")
    for classifier in classifiers:
        table.add_column(titles[classifier], justify="right", min_width=_CELL)
    for name, rows in kinds.items():
        for k, row in rows.items():
            cells = [
                f"{100 * row[classifier]['mean']:.1f}+-{100 * row[classifier]['std']:.1f}" if classifier in row else ""
                for classifier in classifiers
            ]
            table.add_row(name, k, *cells)
    drawings = counted(protocol["seeds"], "drawing")
    print(f"accuracy in % from so many labels a class, mean and deviation of {drawings}:")
    Console().print(table)
    print(
        "nearest, linear: features smoothed by the learning images without labels; plain: as they are; trained on: the"
    )
    print("network itself, with these labels (untrained: from scratch)")
    if protocol["classes_with_fewer"]:
        print(f"classes that have fewer gave all they have: {', '.join(protocol['classes_with_fewer'][:5])}")
