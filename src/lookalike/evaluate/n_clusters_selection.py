"""How many groups? Judged without labels, by two things that a good number of groups has.

- stability: groups made of one half of the images and groups made of another agree on images of either
  (adjusted Rand index, mean over pairs of halves; Ben-Hur, Elisseeff, Guyon 2002). Too many groups split
  at random, too few merge at random.
- silhouette: images are nearer to their own group than to the next (Rousseeuw 1987), by cosine.

Both are at most 1. The proposal is the k with the largest sum; all sums are returned, since there may be
several good answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.clustering.clustering_metrics import ari
from lookalike.core import rng
from lookalike.core.durations import timed
from lookalike.core.process import generator_kept
from lookalike.core.progress import phase
from lookalike.evaluate.clusters import groups

CANDIDATES = (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 20, 25, 30, 40, 50)
_ROWS = 6000  # rows looked at, at the most
_SILHOUETTE_ROWS = 2000
_RESTARTS = 5  # of each grouping: there are ten for every k
_AXES = 64  # principal axes that are kept
PAIRS = 4
"""Pairs of halves whose groups are compared."""
ROWS_PER_GROUP = 10  # fewer in a half, and stability is chance


@dataclass(frozen=True)
class Score:
    """What speaks for k groups."""

    k: int
    stability: float
    silhouette: float

    @property
    def total(self) -> float:
        """What k is chosen by."""
        return self.stability + self.silhouette


def score_k(
    x_ND: Tensor,
    method: str,
    seed: int = 0,
    candidates: tuple[int, ...] = CANDIDATES,
    left: Callable[[], float] = lambda: math.inf,
    pairs: int = PAIRS,
) -> list[Score]:
    """Scores of each candidate that the number of rows allows (2 always), smallest first.

    Args:
        x_ND: floating features.
        method: how groups are made, one of `GROUPING_METHODS` (`clusters.py`).
        seed: of the groupings.
        candidates: numbers of groups.
        left: seconds that are left; where they do not do for all, those are scored that lie farthest apart, and where
            there are none, one is, by one pair.
        pairs: of halves whose groups are compared.
    """
    chosen = rng.permutation(seed, "choose-k", 0, len(x_ND))[:_ROWS]
    x = _main_axes(F.normalize(x_ND[chosen].float(), dim=1))
    fitting = fitting_candidates(len(x), candidates)
    pairs = pairs if left() > 0 else 1
    scores: list[Score] = []
    rate = 0.0  # seconds for each group of a number that is tried, at the most
    with phase("choosing the number of groups", len(fitting)) as p:
        for k in p.over(_apart(fitting)):
            if scores and left() < rate * k:
                continue
            score, seconds = timed(partial(_score, x, k, method, seed, pairs))
            scores.append(score)
            rate = max(rate, seconds / k)
    return sorted(scores, key=lambda score: score.k)


def fitting_candidates(rows: int, candidates: tuple[int, ...] = CANDIDATES) -> list[int]:
    """The numbers of groups that so many rows allow, 2 always."""
    return [k for k in candidates if k == 2 or k * ROWS_PER_GROUP <= rows // 2]


def _apart(values: list[int]) -> list[int]:
    """The values such that those at the front lie far apart: the middle of all, then those of both halves, ..."""
    ordered, spans = [], [(0, len(values))]
    for first, last in spans:  # grows under way
        if first < last:
            middle = (first + last) // 2
            ordered.append(values[middle])
            spans += [(first, middle), (middle + 1, last)]
    return ordered


def _main_axes(x_ND: Tensor) -> Tensor:
    """Rows in the axes that most of their length lies along: angles and distances are nearly kept, at little of the
    work of the hundreds of groupings that are compared."""
    if x_ND.shape[1] <= _AXES:
        return x_ND
    _, axes = torch.linalg.eigh(x_ND.T.double() @ x_ND.double())  # ascending
    return x_ND @ axes[:, -_AXES:].float()


def propose(scores: list[Score]) -> Score:
    """The score with the largest total; of equals the smaller k."""
    return max(scores, key=lambda score: (score.total, -score.k))


def _score(x: Tensor, k: int, method: str, seed: int, pairs: int) -> Score:
    with generator_kept():
        from sklearn.metrics import silhouette_score  # a training begins without it

    rows = torch.arange(len(x))[:_SILHOUETTE_ROWS]
    labels = groups(method, x, k, seed, _RESTARTS)[0][rows]
    apart = (
        float(silhouette_score(x[rows].numpy(), labels.numpy(), metric="cosine")) if len(labels.unique()) > 1 else 0.0
    )
    return Score(k, stability(x, k, method, seed, pairs), apart)


def stability(x_ND: Tensor, k: int, method: str, seed: int = 0, pairs: int = PAIRS) -> float:
    """How far groups made of one half of the rows and of the other agree on all (adjusted Rand index, a mean)."""
    agreements = []
    for pair in range(pairs):
        order = rng.permutation(seed, "choose-k/halves", pair, len(x_ND))
        halves = order[: len(x_ND) // 2], order[len(x_ND) // 2 :]
        one, other = (groups(method, x_ND[rows], k, seed, _RESTARTS)[1](x_ND) for rows in halves)
        agreements.append(ari(one, other))
    return sum(agreements) / len(agreements)
