"""The groups of a run's images: sizes, what they hold, who is typical, who is at the border, how they came about."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np

from lookalike.neighbors.numpy_backend import unit_rows
from lookalike.report.packing import packed
from lookalike.report.timeline import Timeline
from lookalike.runs.reader import RunReader

TYPICAL, BORDER = 24, 12  # images shown of a group
_MOST_FLOWS = 1_000  # of a pair of clusterings; the largest are kept


def clusters(run: RunReader, page_rows: np.ndarray, time: Timeline) -> dict[str, object] | None:
    """`clusters` of docs/page.md: those of index.csv, else those that the method ended with; None without any."""
    every = np.array([_number(row.get("cluster", "")) for row in run.index], np.int64)
    label_N = [row.get("label", "") for row in run.index]
    if (every >= 0).any():
        method = run.clusters.method or "unknown"
        method += f" of {run.clusters.features}" if run.clusters.features else ""
        features = None if run.embeddings is None else np.asarray(run.embeddings[page_rows])
        cluster_N = every[page_rows]
    else:
        last = next((frame for frame in reversed(time.frames) if frame.clusters_N is not None), None)
        if last is None or last.clusters_N is None or not (last.clusters_N >= 0).any():
            return None
        method = f"{run.method}, as trained up to {last.name}"
        cluster_N = np.full(len(page_rows), -1, np.int64)
        cluster_N[time.places] = last.clusters_N
        features = np.zeros((len(page_rows), last.features_ND.shape[1]), np.float32)
        features[time.places] = last.features_ND
        every, label_N = cluster_N, [label_N[row] for row in page_rows] if label_N else [""] * len(page_rows)
    k = int(every.max()) + 1
    typical, border = _sheets(cluster_N, features, k)
    groups = []
    for c in range(k):
        members = np.flatnonzero(every == c)
        label_counts = Counter(label_N[i] for i in members if label_N[i])
        label, count = label_counts.most_common(1)[0] if label_counts else (None, 0)
        groups.append(
            {
                "size": len(members),
                "purity": count / label_counts.total() if label_counts else None,
                "label": label,
                "typical": typical[c],
                "border": border[c],
            }
        )
    return {"k": k, "way": method, "of": packed(cluster_N, "int32"), "groups": groups, "flow": flows(time)}


def flows(time: Timeline) -> list[dict[str, object]] | None:
    """How images went from clusters to clusters between the snapshots of a method that finds clusters.

    Triples (from, to, images), the largest first, at most 1,000 of a pair.
    """
    clusterings = [(frame.epoch, frame.clusters_N) for frame in time.frames if frame.clusters_N is not None]
    flow = []
    for (from_epoch, one), (to_epoch, two) in pairwise(clusterings):
        both = (one >= 0) & (two >= 0)
        pairs, counts = np.unique(np.stack([one[both], two[both]], 1), axis=0, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:_MOST_FLOWS]
        triples = np.column_stack([pairs[order], counts[order]]).tolist()
        flow.append({"from_epoch": from_epoch, "to_epoch": to_epoch, "counts": triples})
    return flow or None


def _sheets(cluster_N: np.ndarray, features: np.ndarray | None, k: int) -> tuple[list[list[int]], list[list[int]]]:
    """Of each group the images nearest to its mean, and those that are nearly as near to another's."""
    typical: list[list[int]] = [[] for _ in range(k)]
    border: list[list[int]] = [[] for _ in range(k)]
    if features is None:
        return typical, border
    x = unit_rows(features)
    present = [c for c in range(k) if (cluster_N == c).any()]
    means = unit_rows(np.stack([x[cluster_N == c].mean(0) for c in present])) if present else np.zeros((0, x.shape[1]))
    likeness = x @ means.T
    for place, c in enumerate(present):
        members = np.flatnonzero(cluster_N == c)
        to_own = likeness[members, place]
        typical[c] = members[np.argsort(-to_own, kind="stable")[:TYPICAL]].tolist()
        if len(present) > 1:  # one group has no border
            to_others = np.delete(likeness[members], place, axis=1).max(1)
            border[c] = members[np.argsort(to_own - to_others, kind="stable")[:BORDER]].tolist()
    return typical, border


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else -1
