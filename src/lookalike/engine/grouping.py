"""The images of a run in groups, by their features: for `lookalike cluster`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor

from lookalike.core.durations import timed
from lookalike.core.errors import LookalikeError
from lookalike.core.files import write_csv, write_json
from lookalike.core.record_types import Record
from lookalike.evaluate.choose_k import propose, score_k
from lookalike.evaluate.clusters import RESTARTS, agreement, groups
from lookalike.runs.folder import RunFolder, writes
from lookalike.runs.reader import features_and_index, index_of

AUTO = "auto"


@writes
def group_run(
    run: RunFolder,
    k: int | str,
    way: str,
    seed: int = 0,
    given: tuple[str, np.ndarray] | None = None,
    left: Callable[[], float] = lambda: math.inf,
) -> Record:
    """Groups of the images of a run: fills the column `cluster` of index.csv, writes clusters.json.

    Args:
        run: a run folder that holds embeddings.npy and index.csv.
        k: groups to make, or "auto".
        way: `kmeans` or `spectral`.
        seed: of the grouping.
        given: features to group by in place of embeddings.npy, with a name for them; rows as in index.csv.
        left: seconds that are left for finding the number of groups (`score_k`) and making them; where they do not do
            for all restarts, fewer are made.

    Returns:
        What clusters.json holds: `k`, `way`, `seed`, `features` where they were given, `sizes` (images a group),
        `scores` where k was to be found, `restarts` where time was short, and agreement with the labels of `labelled`
        images where there are any.

    Raises:
        LookalikeError: no features, features that are not finite or all equal, or no k groups of these.
    """
    result: Record = {"way": way, "seed": seed}
    if given is None:
        features, rows = features_and_index(run)
    else:
        (result["features"], features), rows = given, index_of(run)
    if isinstance(k, int) and not 2 <= k <= len(features):
        raise LookalikeError(f"--k must be from 2 to the number of images, {len(features):,}; got {k}")
    raise_useless(run, features, "group by", result.get("features"))
    x_ND = torch.from_numpy(features)
    if not isinstance(k, int):
        kept = max(0.0, left() / 2)  # seconds for the groups themselves
        scores = score_k(x_ND, way, seed, left=lambda: left() - kept)
        k = propose(scores).k
        result["scores"] = [{**asdict(score), "total": score.total} for score in scores]
    labels_N, restarts = _grouped(x_ND, k, way, seed, left)
    if restarts < RESTARTS:
        result["restarts"] = restarts  # of RESTARTS, for which there was no time
    found = labels_N.tolist()
    result |= {"k": k, "sizes": [Counter(found)[c] for c in range(k)]}
    names = sorted({row["label"] for row in rows if row["label"]})
    if len(names) > 1:
        known = [i for i, row in enumerate(rows) if row["label"]]
        truth = torch.tensor([names.index(rows[i]["label"]) for i in known])
        result |= {"labelled": len(known), **asdict(agreement(labels_N[known], truth))}
    _write(run, rows, found, result)
    return result


def _grouped(x_ND: Tensor, k: int, way: str, seed: int, left: Callable[[], float]) -> tuple[Tensor, int]:
    """Labels [N] of the best of as many restarts as there is time for, one at the least, and their number."""
    if math.isinf(left()):
        return groups(way, x_ND, k, seed)[0], RESTARTS
    (labels_N, _), seconds = timed(lambda: groups(way, x_ND, k, seed, 1))
    restarts = max(1, min(RESTARTS, int(left() / max(seconds, 1e-6))))
    return (labels_N if restarts == 1 else groups(way, x_ND, k, seed, restarts)[0]), restarts


@writes
def record_groups(run: RunFolder, labels_N: np.ndarray) -> None:
    """Groups (int64 [N]) that k-means made of a run's features elsewhere, put on record as `group_run` does."""
    _, rows = features_and_index(run)
    found = labels_N.tolist()
    k = max(found) + 1
    _write(run, rows, found, {"way": "kmeans", "seed": 0, "k": k, "sizes": [Counter(found)[c] for c in range(k)]})


def _write(run: RunFolder, rows: list[dict[str, str]], found: list[int], result: Record) -> None:
    head = tuple(rows[0])
    write_csv(
        run.index, head, ([{**row, "cluster": c}[name] for name in head] for row, c in zip(rows, found, strict=True))
    )
    write_json(run.clusters, result)


def raise_useless(run: RunFolder, features: np.ndarray, what: str, kind: str | None = None) -> None:
    """Refuse features that are not finite or all the same; there is nothing to `what` then.

    `kind` names features that are not those of the run.
    """
    if not np.isfinite(features).all():
        raise LookalikeError(f"{run.embeddings} holds features that are not finite; train that run again")
    if (features == features[:1]).all():
        where = f"{run.embeddings} holds the same features for all images" if kind is None else f"all {kind} are equal"
        raise LookalikeError(f"{where}: there is nothing to {what}")
