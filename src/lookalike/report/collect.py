"""From run folders to the one object that a page is made of (docs/page.md). Needs no PyTorch."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lookalike.core.errors import LookalikeError
from lookalike.core.machine import cores
from lookalike.core.options import AUTO, OWN_VIEWS, short
from lookalike.core.record_types import Record
from lookalike.core.version import VERSION
from lookalike.core.words import counted
from lookalike.report import before
from lookalike.report.card import card
from lookalike.report.cleaning import Cleaning
from lookalike.report.clusters import clusters
from lookalike.report.images import Thumbnails, chosen_rows, described, sprite_sheets
from lookalike.report.packing import data_uri, plain_object
from lookalike.report.reduced import map_words, reduced
from lookalike.report.time_limit import TimeLimit
from lookalike.report.timeline import timeline
from lookalike.report.verdict import beside, verdict
from lookalike.runs.reader import RunReader

FORMAT = 1
_COLLECTED = 0.9  # of the time of a page; the rest is for writing it
_CLEANING = 0.3  # of that is for comparing images with each other


def collect(
    paths: Sequence[Path], max_thumbs: int = 20_000, threads: int | None = None, seconds: float | None = None
) -> dict[str, object]:
    """What the page of these runs shows, as plain JSON; docs/page.md says what is in it.

    Args:
        paths: run folders, all of runs on the same images.
        max_thumbs: images shown at the most; those with snapshots come first.
        threads: for the map; default: all cores.
        seconds: that the page may take, writing included; None: as long as it takes.

    Raises:
        LookalikeError: a folder is no run, or the runs are on different images.
    """
    if not paths:
        raise LookalikeError("no run named: lookalike report RUN [RUN ...]")
    if max_thumbs < 1:
        raise LookalikeError(f"--max-thumbs must be at least 1, got {max_thumbs}")
    limit = TimeLimit.after(None if seconds is None else _COLLECTED * seconds)
    runs = [RunReader(path) for path in paths]
    _raise_different_images(runs)
    rows = chosen_rows(runs, max_thumbs)
    indexed = next((run for run in runs if run.index), runs[0])
    rows = rows[rows < len(indexed.index)] if indexed.index else rows
    images = described(indexed, rows)
    thumbnails = Thumbnails(runs)
    images["sheets"] = sprite_sheets(thumbnails, rows)
    label = np.array(images["label"], np.int64)
    names = _names(runs)
    parts = []
    for at, (run, name) in enumerate(zip(runs, names, strict=True)):
        share = limit.share(1 / (len(runs) - at))
        parts.append({"name": name, **_run(run, rows, label, thumbnails, threads or cores(), share)})
    for run, part in zip(runs[1:], parts[1:], strict=True):
        part["verdict"]["sentences"] += filter(None, [beside(run, runs[0])])
    missing = [sentence for run, name in zip(runs, names, strict=True) for sentence in _missing(run, name, len(runs))]
    missing += [sentence for part in parts for sentence in part["reduced"].values() if sentence]
    if not images["sheets"]:
        missing.append("There are no thumbnails: the run kept none (--no-snapshots, or an older version).")
    elif len(rows) < max(run.images for run in runs):
        missing.append(f"{len(rows):,} of {counted(max(run.images for run in runs), 'image')} are shown.")
    return plain_object(
        {
            "format": FORMAT,
            "title": _title(runs),
            "written": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "version": VERSION,
            "missing": missing,
            "learned": any(before.has_learned(run) for run in runs),
            "images": images,
            "runs": parts,
        }
    )


def _run(
    run: RunReader, rows: np.ndarray, label: np.ndarray, thumbnails: Thumbnails, threads: int, limit: TimeLimit
) -> Record:
    moments = timeline(run, rows)
    cleaning = Cleaning(run, rows, moments, thumbnails, limit.share(_CLEANING))
    mapped, threads = reduced(moments, limit, threads)
    layout = mapped.map(threads, limit)
    settled = not limit.is_past() or mapped.kept_map() is not None
    return {
        "method": run.method,
        "verdict": verdict(run),
        "snapshots": mapped.snapshots(),
        "map": layout,
        "neighbours": mapped.neighbours(label),
        "clusters": clusters(run, rows, moments),
        "duplicates": cleaning.duplicates(),
        "outliers": cleaning.outliers(),
        "skipped": run.skipped,
        "curves": {kind: run.events_of(kind) for kind in ("epoch", "look", "clustering")},
        "evaluation": None if run.evaluation is None else run.evaluation.to_json(),
        "views": _views(run),
        "views_said": _views_said(run),
        "reduced": {"map": map_words(run, moments, mapped, settled), "duplicates": cleaning.words()},
        "card": card(run),
    }


def _missing(run: RunReader, name: str, runs: int) -> list[str]:
    """Sentences on what is missing, and why. Call it when everything has been read: reading adds to `run.missing`."""
    run_words = f" of {name}" if runs > 1 else ""
    early = (
        [] if before.has_learned(run) else before.missing(run, run_words)
    )  # before what reading has complained about
    sentences = list(run.missing)
    ours, theirs = _numbers(VERSION), _numbers(str(run.record.versions.get("lookalike", "")))
    if theirs > ours:
        sentences.append(
            f"The run{run_words} was written by lookalike {'.'.join(map(str, theirs))}, this is {VERSION}."
        )
    if early:
        return sentences + early
    if not run.frames and not any("snapshots" in sentence for sentence in sentences):
        why = (
            "it was trained with --no-snapshots, or by an older version"
            if run.embeddings is not None
            else "it was interrupted before its first look at the network"
        )
        sentences.append(f"No snapshots{run_words}: {why}.")
    elif run.frames and not any(frame.kind == "network" for frame in run.frames):
        sentences.append(f"No snapshot{run_words} of the network in training: it was interrupted before the first one.")
    if run.embeddings is None:
        sentences.append(
            f"No features of all images{run_words}, so what is said of duplicates, outliers and groups is of a part at "
            "most: let the run finish."
        )
    if not any(row.get("label") for row in run.index):
        sentences.append(
            f"No labels{run_words}: accuracies and same-label marks are left out. Class folders give labels."
        )
    if not any(row.get("cluster") for row in run.index):
        sentences.append(f"No groups of the images{run_words}: lookalike cluster {run.path} --k auto")
    if run.evaluation is None and any(row.get("label") for row in run.index):
        sentences.append(f"No evaluation{run_words}: lookalike evaluate {run.path}")
    if run.config.get("epochs") == 0:
        sentences.append(f"No curves{run_words}: it was not trained (--epochs 0).")
    elif not run.events_of("epoch"):
        sentences.append(f"No epoch{run_words} was finished, so there are no curves.")
    return sentences


def _raise_different_images(runs: Sequence[RunReader]) -> None:
    first = runs[0]
    for run in runs[1:]:
        if run.record.fingerprint != first.record.fingerprint:
            raise LookalikeError(
                f"{first.path} and {run.path} are of different images ({first.images:,} and {run.images:,}, other "
                "content or names); a page compares runs on the same images. Write a page for each."
            )


def _views(run: RunReader) -> str | None:
    try:
        return data_uri("image/png", (run.path / "snapshots" / "views.png").read_bytes())
    except OSError:
        return None


def _views_said(run: RunReader) -> str | None:
    """What the views are, and why these, where they were chosen for the images."""
    name, choice = run.config.get("augment"), run.record.views or {}
    if not isinstance(name, str) or name == AUTO:  # not chosen yet
        return None
    if name == OWN_VIEWS:
        return "Each view as the method has it."
    if not isinstance(choice.get("reason"), str):
        return f"Recipe {name}."
    return f"Recipe {name}, chosen for these images: {choice['reason']}."


def _names(runs: Sequence[RunReader]) -> list[str]:
    """The folders' names, or their paths where two have the same."""
    count = Counter(run.name for run in runs)
    return [run.name if count[run.name] == 1 else str(run.path) for run in runs]


def _title(runs: Sequence[RunReader]) -> str:
    methods = list(dict.fromkeys(run.method or "a run" for run in runs))
    return f"{', '.join(methods)} on {short(runs[0].config.get('data') or 'images')}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
