"""What decides between centroids that are nearly as near: float64 distances, and the lowest index among equal ones.

Axes: U rows, P (row, candidate) pairs, D features, K centroids.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

_TIE = 1e-12  # relative; float64 distances as near as this count as equal
_NUMBERS = 1 << 17  # coordinates of pairs whose distances are taken at a time: their differences stay in the caches


def first_equal(c_KD: Tensor) -> Tensor | None:
    """For each centroid the lowest index of one equal to it (int64 [K]); None where all differ.

    The others lose every tie, so they need not be looked at. Where features have collapsed most centroids are equal,
    and every row would have to choose among them.
    """
    key_K = (c_KD.double() * torch.arange(1, c_KD.shape[1] + 1, device=c_KD.device).sqrt()).sum(1)
    order_K = key_K.argsort(stable=True)
    sorted_KD = c_KD[order_K]
    same_K = torch.zeros(len(c_KD), dtype=torch.bool, device=c_KD.device)
    same_K[1:] = (sorted_KD[1:] == sorted_KD[:-1]).all(1)
    if not bool(same_K.any()):
        return None
    start_K = (~same_K).cumsum(0) - 1  # number of the run of equal ones
    first_K = torch.empty_like(order_K)
    first_K[order_K] = order_K[~same_K][start_K]
    return first_K


def repeated(c_KD: Tensor) -> Tensor:
    """Indices of centroids equal to one before them."""
    first_K = first_equal(c_KD)
    if first_K is None:
        return torch.empty(0, dtype=torch.int64, device=c_KD.device)
    return (first_K != torch.arange(len(c_KD), device=c_KD.device)).nonzero()[:, 0]


class Nearest(NamedTuple):
    """Of each row [U] the nearest candidate, and how far away it and the next one are."""

    labels_U: Tensor
    """int64."""
    least_U: Tensor
    """Squared distance, off by some roundings of itself."""
    next_U: Tensor
    """Squared distance of the nearest of the other candidates; inf where there is none."""


def nearest_of_pairs(x_UD: Tensor, c_KD: Tensor, row_P: Tensor, candidate_P: Tensor) -> Nearest:
    """The nearest candidate of each row, by float64 distances; every row has a candidate, and each once.

    Of float32 rows only those candidates are compared in float64 that float32 cannot tell apart: a sum of squared
    differences is off by some roundings of itself, however far the two lie from the origin.
    """
    distance_P = _distances(x_UD, c_KD, row_P, candidate_P)
    least_U = _least(distance_P, row_P, len(x_UD))
    few = 4 * (x_UD.shape[1] + 4) * torch.finfo(x_UD.dtype).eps
    close_Q = (distance_P <= least_U[row_P] * (1 + few)).nonzero()[:, 0]
    row_Q, candidate_Q = row_P[close_Q], candidate_P[close_Q]
    if len(row_Q) > len(x_UD):  # more than one for some row
        exact_Q = _distances(x_UD, c_KD, row_Q, candidate_Q, torch.float64)
        tied_Q = exact_Q <= _least(exact_Q, row_Q, len(x_UD))[row_Q] * (1 + _TIE)
        row_Q, candidate_Q = row_Q[tied_Q], candidate_Q[tied_Q]
    labels_U = torch.full((len(x_UD),), len(c_KD), device=x_UD.device)
    labels_U.scatter_reduce_(0, row_Q, candidate_Q, "amin")
    others_P = torch.where(candidate_P == labels_U[row_P], math.inf, distance_P)
    return Nearest(labels_U, least_U, _least(others_P, row_P, len(x_UD)))


def _distances(
    x_UD: Tensor, c_KD: Tensor, row_P: Tensor, candidate_P: Tensor, dtype: torch.dtype | None = None
) -> Tensor:
    """Squared distances of pairs, in the rows' own type or another."""
    pairs = max(1, _NUMBERS // c_KD.shape[1]) if c_KD.device.type == "cpu" else max(1, len(row_P))
    distance_P = torch.empty(len(row_P), dtype=dtype or x_UD.dtype, device=x_UD.device)
    for start in range(0, len(row_P), pairs):
        some = slice(start, start + pairs)
        x_PD, c_PD = x_UD.index_select(0, row_P[some]), c_KD.index_select(0, candidate_P[some])
        if dtype is not None:
            x_PD, c_PD = x_PD.to(dtype), c_PD.to(dtype)
        distance_P[some] = x_PD.sub_(c_PD).square_().sum(1)
    return distance_P


def _least(distance_P: Tensor, row_P: Tensor, n: int) -> Tensor:
    least_U = torch.full((n,), math.inf, dtype=distance_P.dtype, device=distance_P.device)
    return least_U.scatter_reduce_(0, row_P, distance_P, "amin")
