"""Name the images of a run that are worth labelling next."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lookalike.cli.commands.search import long
from lookalike.cli.parse import parse
from lookalike.core import machine
from lookalike.core.options import at_least
from lookalike.runs.folder import RunFolder

USAGE = "lookalike select RUN -n 50"
_SHOWN = 5  # paths printed, at the most


@dataclass(kw_only=True)
class Select:
    """Write a list of images to label: typical ones, of different parts of the collection, with an empty column."""

    run: str = ""
    """Run folder."""
    n: int = 50
    """Images to name; -n for short."""
    labels: tuple[str, ...] = ()
    """CSV files of labels that are there already (path, label): what they cover is not asked for again."""
    out: str | None = None
    """The file; default: RUN/labels/to_label.csv."""
    seed: int = 0
    """Seed of the clusters."""
    json: bool = False
    """Print JSON instead of lines."""
    threads: int | None = None
    """CPU threads; default: all cores."""

    def problems(self) -> Iterator[str]:
        """Every value that cannot be, in words."""
        if not self.run:
            yield f"no run named: {USAGE}"
        yield from at_least(self, 1, "n", "threads")
        yield from at_least(self, 0, "seed")


def run(words: list[str]) -> int:
    """Select and say what comes next."""
    options = parse(Select, long(words), "lookalike select", ("run",), check=Select.problems).options
    folder = RunFolder.existing(options.run)
    from lookalike import api

    out = Path(options.out) if options.out else None
    machine.prepare(options.threads)
    selection = api.select(
        folder, options.n, labels=options.labels, out=out, seed=options.seed, threads=options.threads
    )
    if options.json:
        summary = {
            "file": str(selection.file),
            "paths": selection.paths,
            "labelled": selection.labelled,
            "notes": selection.notes,
        }
        print(json.dumps(summary, indent=2))
        return 0
    for note in selection.notes:
        print(note, file=sys.stderr)
    for path in selection.paths[:_SHOWN]:
        print(f"  {path}")
    if len(selection.paths) > _SHOWN:
        print(f"  and {len(selection.paths) - _SHOWN:,} more")
    print(f"wrote {selection.file}; fill in the column label, then:")
    print(f"  lookalike label {shlex.join([options.run, *options.labels, str(selection.file)])}")
    return 0
