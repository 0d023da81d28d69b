"""Spread a few labels to all images of a run."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lookalike.cli.parse import parse
from lookalike.core import machine
from lookalike.core.load_options import LoadOptions, said_load_options
from lookalike.core.words import counted
from lookalike.runs.folder import RunFolder

USAGE = "lookalike label RUN labels.csv"
_SHOWN = 12  # classes listed by size, at the most


@dataclass(kw_only=True)
class Label(LoadOptions):
    """Give every image of a run a label and a confidence, from a few that you give.

    A file has the columns path (as in index.csv) and label. NAME=FILE calls all of FILE so: a list saved from the page.
    """

    run: str = ""
    """Run folder."""
    labels: tuple[str, ...] = ()
    """CSV files, or NAME=FILE; several are taken together."""
    features: Literal["trained", "untrained", "pixels", "histograms"] = "trained"
    """What images are compared by: the trained network, the same untrained, raw pixels, or colour histograms with
    coarse thumbnails."""
    out: str | None = None
    """The file; default: RUN/labels/predicted.csv, and the columns predicted and confidence of index.csv."""
    json: bool = False
    """Print JSON instead of lines."""
    threads: int | None = None
    """CPU threads; default: all cores."""

    def problems(self) -> Iterator[str]:
        """Every value that cannot be, in words."""
        if not self.run:
            yield f"no run named: {USAGE}"
        elif not self.labels:
            yield f"no file of labels named: {USAGE} (lookalike select {self.run} writes one to fill in)"
        yield from super().problems()


def run(words: list[str]) -> int:
    """Spread the labels and say what came of it."""
    parsed = parse(Label, words, "lookalike label", ("run", "labels"), check=Label.problems)
    options, load_options = parsed.options, said_load_options(parsed.options, parsed.sources)
    folder = RunFolder.existing(options.run)
    from lookalike import api

    out = Path(options.out) if options.out else None
    machine.prepare(options.threads)
    labelling = api.label(
        folder,
        options.labels,
        out=out,
        threads=options.threads,
        features=options.features,
        load_options=load_options,
    )
    confidence = labelling.confidence_N.sort().values
    middle = float(confidence[len(confidence) // 2])
    if options.json:
        summary = {
            "file": str(labelling.file),
            "given": labelling.given,
            "counts": labelling.counts,
            "median_confidence": middle,
            "agreement": labelling.agreement,
            "notes": list(labelling.notes),
            "better": None
            if labelling.better is None
            else dict(zip(("features", "why"), labelling.better, strict=True)),
        }
        print(json.dumps(summary, indent=2))
        return 0
    for note in labelling.notes:
        print(note, file=sys.stderr)
    listed = list(labelling.counts.items())
    largest = ", ".join(f"{name} {count:,}" for name, count in listed[:_SHOWN])
    print(f"{counted(labelling.given, 'label')} spread to {counted(len(labelling.names), 'image')}: {largest}", end="")
    print(", ..." if len(listed) > _SHOWN else "")
    print(f"confidence: {middle:.2f} in the middle, below {confidence[len(confidence) // 10]:.2f} for a tenth")
    if labelling.agreement is not None:
        print(f"against the labels that the other images have: {labelling.agreement:.1%} agree")
    if labelling.better is not None:
        kind, why = labelling.better
        print(f"{kind} may serve better: {why}. Try: {_again(options, kind)}")
    print(f"wrote {labelling.file}" + (f" and columns of {folder.index}" if out is None else ""))
    return 0


def _again(options: Label, kind: str) -> str:
    return shlex.join(["lookalike", "label", options.run, *options.labels, "--features", kind])
