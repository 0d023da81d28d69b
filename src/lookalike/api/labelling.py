"""Labels of a person: a few are given, all images get one, and the next ones worth giving are named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lookalike.api.better_features import better_for_labels
from lookalike.api.other_features import TRAINED, features_of_kind
from lookalike.api.records import roots_of
from lookalike.core import machine
from lookalike.core.arithmetic import outside_autocast
from lookalike.core.errors import LookalikeError
from lookalike.core.files import write_csv
from lookalike.core.label_files import listed, read_given, rows_of
from lookalike.core.matching import Matcher
from lookalike.core.process import threads_kept
from lookalike.core.words import counted
from lookalike.engine.clustering import raise_useless
from lookalike.evaluate.propagate import propagate
from lookalike.evaluate.typiclust import typical_rows
from lookalike.runs.folder import RunFolder, writes
from lookalike.runs.reader import features_and_index

GIVEN, PREDICTED = "given", "predicted"


@dataclass(frozen=True)
class Labelled:
    """What `label` found."""

    file: Path
    names: tuple[str, ...]
    """A label for each image, in the order of index.csv."""
    confidence_N: Tensor
    """float32 [N] in [0, 1]; 1 where the label was given."""
    given: int
    counts: dict[str, int]
    """Images of each label."""
    notes: tuple[str, ...]
    agreement: float | None = None
    """Share of the other images whose own label (of their folder) is the one they were given; None without such."""
    better: tuple[str, str] | None = None
    """The features that the given labels put ahead of the trained ones, and why; None where there are none."""


@outside_autocast
@threads_kept()
def label(
    run: RunFolder,
    files: Sequence[str],
    *,
    out: Path | None = None,
    threads: int | None = None,
    features: str = TRAINED,
    load_options: Mapping[str, object] | None = None,
) -> Labelled:
    """Spread a few labels to all images of a run, with a confidence each.

    Writes RUN/labels/predicted.csv (path, label, confidence, source: given or predicted) and, for the page, the
    columns `predicted` and `confidence` of index.csv. Labels of class folders are not looked at, but to say at the end
    how far they agree where they have the same names.

    Args:
        run: a run folder that holds features.
        files: CSV files with the columns path and label, or NAME=FILE (`core/label_files.py`).
        out: file to write instead; index.csv is left alone then.
        threads: CPU threads.
        features: what images are compared by: trained, untrained, pixels or histograms.
        load_options: options of loading that differ from the run's (`core/load_options.py`), where the images are
            read: for other features, and to see whether these would serve better.

    Raises:
        LookalikeError: no features; files that cannot be read, or that contradict each other; no label of an image of
            this run; one class only.
    """
    spread = _spread if out is not None else writes(_spread)
    return spread(run, files, out, threads, features, load_options)


def _spread(
    run: RunFolder,
    files: Sequence[str],
    out: Path | None,
    threads: int | None,
    kind: str,
    load_options: Mapping[str, object] | None,
) -> Labelled:
    machine.use_threads(threads)
    features, rows = features_of_kind(run, kind, load_options)
    paths = [row["path"] for row in rows]
    label_of, notes = rows_of(read_given(files), paths, str(run.path), roots_of(run))
    names = sorted(set(label_of.values()))
    if len(names) < 2:
        raise LookalikeError(
            f"one class only: all {counted(len(label_of), 'label')} say {names[0]!r}. Label some images of what it is "
            "to be told from"
        )
    raise_useless(run, features, "tell them apart by", None if kind == TRAINED else kind)
    given_rows = torch.tensor(sorted(label_of))
    code_of = {name: code for code, name in enumerate(names)}
    codes = torch.tensor([code_of[label_of[row]] for row in given_rows.tolist()])
    confidence_N, code_N = propagate(torch.from_numpy(features), given_rows, codes, len(names)).max(1)
    labels = tuple(names[code] for code in code_N.tolist())
    file = out or run.labels / "predicted.csv"
    confidences = [f"{value:.4f}" for value in confidence_N.tolist()]
    lines = (
        (path, name, confidence, GIVEN if row in label_of else PREDICTED)
        for row, (path, name, confidence) in enumerate(zip(paths, labels, confidences, strict=True))
    )
    write_csv(file, ("path", "label", "confidence", "source"), lines)
    if out is None:
        _into_index(run, rows, labels, confidences)
    counts = dict(Counter(labels).most_common())
    better = better_for_labels(run, given_rows, codes, len(names), load_options) if kind == TRAINED else None
    agreement = _agreement(rows, labels, label_of)
    return Labelled(file, labels, confidence_N, len(label_of), counts, tuple(notes), agreement, better)


def _agreement(rows: list[dict[str, str]], labels: Sequence[str], given: dict[int, str]) -> float | None:
    asked = [i for i, row in enumerate(rows) if row.get("label") and i not in given]
    if not asked or not set(given.values()) <= {rows[i]["label"] for i in asked}:
        return None
    return sum(labels[i] == rows[i]["label"] for i in asked) / len(asked)


def _into_index(run: RunFolder, rows: list[dict[str, str]], labels: Sequence[str], confidence: Sequence[str]) -> None:
    head = [*(name for name in rows[0] if name not in ("predicted", "confidence")), "predicted", "confidence"]
    lines = ({**row, "predicted": a, "confidence": b} for row, a, b in zip(rows, labels, confidence, strict=True))
    write_csv(run.index, head, ([line[name] for name in head] for line in lines))


@dataclass(frozen=True)
class Selected:
    """What `select` found."""

    file: Path
    paths: tuple[str, ...]
    """The most useful first."""
    labelled: int
    """Images that had labels already."""
    notes: tuple[str, ...]


@outside_autocast
@threads_kept()
def select(
    run: RunFolder,
    n: int = 50,
    *,
    labels: Sequence[str] = (),
    out: Path | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Selected:
    """Name the images worth labelling next: typical, and of parts of the collection without labels.

    Writes RUN/labels/to_label.csv: path, and a column label to be filled in. Deterministic.

    Args:
        run: a run folder that holds features.
        n: images to name.
        labels: files of labels that are there already, as `label` takes them.
        out: file to write instead.
        seed: of the clusters.
        threads: CPU threads.

    Raises:
        LookalikeError: no features; all images have labels; the file that is to be written holds labels that `labels`
            does not.
    """
    machine.use_threads(threads)
    features, rows = features_and_index(run)
    paths = [row["path"] for row in rows]
    given = read_given(labels)
    labelled, notes = rows_of(given, paths, str(run.path), roots_of(run)) if given.label_of else ({}, list(given.notes))
    if n < 1:
        raise LookalikeError(f"-n must be at least 1, got {n}")
    if len(labelled) == len(paths):
        raise LookalikeError(f"every image of {run.path} has a label: there is nothing left to select")
    file = out or run.labels / "to_label.csv"
    _raise_labels_lost(file, paths, labelled)
    raise_useless(run, features, "choose by")
    chosen = typical_rows(torch.from_numpy(features), n, torch.tensor(sorted(labelled), dtype=torch.int64), seed)
    selected = tuple(paths[row] for row in chosen.tolist())
    if len(selected) < n:
        notes.append(f"{counted(len(selected), 'image')} without a label, fewer than the {n:,} asked for")
    write_csv(file, ("path", "label"), ((path, "") for path in selected))
    return Selected(file, selected, len(labelled), tuple(notes))


def _raise_labels_lost(file: Path, paths: Sequence[str], labelled: Collection[int]) -> None:
    """Refuse to write over labels that a person has filled in."""
    if not file.is_file():
        return
    matcher = Matcher(paths)
    lost = [path for path in read_given([str(file)]).label_of if matcher.row(path) not in labelled]
    if lost:
        raise LookalikeError(
            f"{file} holds {counted(len(lost), 'label')} that would be lost:\n{listed(lost)}\n"
            f"Give it with --labels {file} and name another file with --out, or move it away first"
        )
