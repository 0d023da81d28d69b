"""Exact nearest rows by cosine, in NumPy alone: for what has to work without PyTorch."""

from __future__ import annotations

import math

import numpy as np

from lookalike.core.progress import phase

BLOCK = 1024
"""Rows compared with all at once."""


def unit_rows(x_ND: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1 (float32 [N, D]); values that are not finite count as 0, and a row of 0 stays."""
    x = np.nan_to_num(x_ND.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    x /= np.maximum(np.abs(x).max(1, keepdims=True), np.finfo(np.float32).tiny)  # squares neither over- nor underflow
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def nearest_rows(x_ND: np.ndarray, k: int, *, block: int = BLOCK) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest other rows of each row, the nearest first, equally near ones by number.

    Args:
        x_ND: floating features.
        k: neighbours of a row; at most N - 1 are given.
        block: rows compared with all at once.

    Returns:
        Rows (int64 [N, k]) and cosines (float32 [N, k]).
    """
    x = unit_rows(x_ND)
    k = min(k, len(x) - 1)
    row_NK = np.empty((len(x), max(0, k)), np.int64)
    cosine_NK = np.empty(row_NK.shape, np.float32)
    if k < 1:
        return row_NK, cosine_NK
    size = max(1, math.isqrt(len(x) // k))  # of a group; then groups and candidates are about as many
    groups = -(-len(x) // size)
    # rows that are not there, in the last groups, are never near
    similarity_BN = np.full((min(block, len(x)), size * groups), -np.inf, np.float32)
    with phase("finding nearest images", len(x)) as p:
        for start in range(0, len(x), block):
            rows = slice(start, min(start + block, len(x)))
            row_numbers = np.arange(rows.start, rows.stop)
            similarity = similarity_BN[: len(row_numbers)]
            np.matmul(x[rows], x.T, out=similarity[:, : len(x)])
            similarity[row_numbers - start, row_numbers] = -np.inf
            best = _largest(similarity.reshape(len(row_numbers), size, groups), k)
            value = np.take_along_axis(similarity, best, 1)
            order = np.lexsort((best, -value), axis=1)
            row_NK[rows] = np.take_along_axis(best, order, 1)
            cosine_NK[rows] = np.take_along_axis(value, order, 1).clip(-1, 1)
            p.at(rows.stop)
    return row_NK, cosine_NK


def _largest(score_BSG: np.ndarray, k: int) -> np.ndarray:
    """Where the k largest of each row's S * G scores are (int64 [B, k]), in no order.

    They are in the k groups [:, :, g] whose largest scores are largest, and a maximum over groups is found in one
    pass over whole vectors (`lookalike.neighbors.topk` does the same in PyTorch).
    """
    size, groups = score_BSG.shape[1:]
    if size == 1 or groups <= k:
        flat = score_BSG.reshape(len(score_BSG), -1)
        return np.argpartition(flat, flat.shape[1] - k, axis=1)[:, flat.shape[1] - k :]
    group_BK = np.argpartition(score_BSG.max(1), groups - k, axis=1)[:, groups - k :]
    at_BSK = group_BK[:, None] + groups * np.arange(size)[:, None]
    at = at_BSK.reshape(len(score_BSG), -1)
    candidate = np.take_along_axis(score_BSG.reshape(len(score_BSG), -1), at, 1)
    best = np.argpartition(candidate, candidate.shape[1] - k, axis=1)[:, candidate.shape[1] - k :]
    return np.take_along_axis(at, best, 1)
