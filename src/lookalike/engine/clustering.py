"""The images of a run in groups, by their features: for `lookalike cluster`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor

from lookalike.core.durations import timed
from lookalike.core.errors import LookalikeError
from lookalike.core.files import write_csv, write_json
from lookalike.evaluate.clusters import RESTARTS, clustering_metrics, groups
from lookalike.evaluate.n_clusters_selection import Score, propose, score_k
from lookalike.runs.clusters import ClusterRecord, ScoreOfK
from lookalike.runs.evaluation import GroupScores
from lookalike.runs.folder import RunFolder, writes
from lookalike.runs.reader import features_and_index, index_of

AUTO = "auto"


@writes
def group_run(
    run: RunFolder,
    k: int | str,
    method: str,
    seed: int = 0,
    given: tuple[str, np.ndarray] | None = None,
    left: Callable[[], float] = lambda: math.inf,
) -> ClusterRecord:
    """Groups of the images of a run: fills the column `cluster` of index.csv, writes clusters.json.

    Args:
        run: a run folder that holds embeddings.npy and index.csv.
        k: groups to make, or "auto".
        method: `kmeans` or `spectral`.
        seed: of the grouping.
        given: features to group by in place of embeddings.npy, with a name for them; rows as in index.csv.
        left: seconds that are left for finding the number of groups (`score_k`) and making them; where they do not do
            for all restarts, fewer are made.

    Returns:
        What clusters.json holds, with the agreement with the labels of labelled images where there are any.

    Raises:
        LookalikeError: no features, features that are not finite or all equal, or no k groups of these.
    """
    features, rows = features_and_index(run) if given is None else (given[1], index_of(run))
    kind = None if given is None else given[0]
    if isinstance(k, int) and not 2 <= k <= len(features):
        raise LookalikeError(f"--k must be from 2 to the number of images, {len(features):,}; got {k}")
    raise_useless(run, features, "group by", kind)
    x_ND = torch.from_numpy(features)
    scores: list[Score] = []
    if not isinstance(k, int):
        reserved = max(0.0, left() / 2)  # seconds for the groups themselves
        scores = score_k(x_ND, method, seed, left=lambda: left() - reserved)
        k = propose(scores).k
    labels_N, restarts = _grouped(x_ND, k, method, seed, left)
    labels = labels_N.tolist()
    labelled, scores_of_labels = _agreement(labels_N, [row["label"] for row in rows])
    record = ClusterRecord(
        method,
        seed,
        k,
        _sizes(labels, k),
        features=kind,
        scores=[ScoreOfK(**asdict(score), total=score.total) for score in scores],
        restarts=restarts if restarts < RESTARTS else None,
        labelled=labelled,
        agreement=scores_of_labels,
    )
    _write(run, rows, labels, record)
    return record


def _agreement(labels_N: Tensor, names_N: Sequence[str]) -> tuple[int | None, GroupScores | None]:
    """How many images have labels, and how well groups agree with these; None without two labels."""
    names = sorted({name for name in names_N if name})
    if len(names) < 2:
        return None, None
    labelled = [i for i, name in enumerate(names_N) if name]
    truth = torch.tensor([names.index(names_N[i]) for i in labelled])
    return len(labelled), GroupScores(**asdict(clustering_metrics(labels_N[labelled], truth)))


def _sizes(labels: Sequence[int], k: int) -> list[int]:
    """Images of each group."""
    images = Counter(labels)
    return [images[c] for c in range(k)]


def _grouped(x_ND: Tensor, k: int, method: str, seed: int, left: Callable[[], float]) -> tuple[Tensor, int]:
    """Labels [N] of the best of as many restarts as there is time for, one at the least, and their number."""
    if math.isinf(left()):
        return groups(method, x_ND, k, seed)[0], RESTARTS
    (labels_N, _), seconds = timed(lambda: groups(method, x_ND, k, seed, 1))
    restarts = max(1, min(RESTARTS, int(left() / max(seconds, 1e-6))))
    return (labels_N if restarts == 1 else groups(method, x_ND, k, seed, restarts)[0]), restarts


@writes
def record_groups(run: RunFolder, labels_N: np.ndarray) -> None:
    """Groups (int64 [N]) that k-means made of a run's features elsewhere, put on record as `group_run` does."""
    _, rows = features_and_index(run)
    labels = labels_N.tolist()
    k = max(labels) + 1
    _write(run, rows, labels, ClusterRecord("kmeans", 0, k, _sizes(labels, k)))


def _write(run: RunFolder, rows: list[dict[str, str]], labels: Sequence[int], record: ClusterRecord) -> None:
    head = tuple(rows[0])
    write_csv(
        run.index, head, ([{**row, "cluster": c}[name] for name in head] for row, c in zip(rows, labels, strict=True))
    )
    write_json(run.clusters, record.to_json())


def raise_useless(run: RunFolder, features: np.ndarray, what: str, kind: str | None = None) -> None:
    """Refuse features that are not finite or all the same; there is nothing to `what` then.

    `kind` names features that are not those of the run.
    """
    if not np.isfinite(features).all():
        raise LookalikeError(f"{run.embeddings} holds features that are not finite; train that run again")
    if (features == features[:1]).all():
        where = f"{run.embeddings} holds the same features for all images" if kind is None else f"all {kind} are equal"
        raise LookalikeError(f"{where}: there is nothing to {what}")
