"""A few labels spread to all rows along the graph of nearest neighbours, with a confidence each.

Label spreading (Zhou et al. 2004, "Learning with local and global consistency") on a graph of cosines (Iscen et al.
2019, "Label propagation for deep semi-supervised learning", section 3): with weights W between near rows and S =
D^-1/2 W D^-1/2, the scores F of the classes solve (I - alpha S) F = Y. What is near a labelled row, or near a row that
is, and so on, is called what it is called. Of large collections the graph is of a sample, and the other rows take the
mean of their nearest in it. Axes: N rows, L labelled ones, D features, K classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.core import rng
from lookalike.core.progress import phase
from lookalike.neighbors.exact import nearest

if TYPE_CHECKING:  # SciPy is imported when a graph is made: a training begins without it
    import scipy.sparse

NEIGHBOURS = 10
ALPHA = 0.99
"""Share of a row's score that comes from its neighbours."""
FOLDS = 5
"""Of the labels, each of which is left out once where it is asked how far they can be trusted when spread."""
_SHARPNESS = 3  # power of the cosines
GRAPH_ROWS = 20_000
"""Rows in the graph at the most: its neighbours are exact, which takes the square of it."""
_HUNCH = 0.01  # how little more than an even guess is said where no label leads to
_TOLERANCE, _ITERATIONS = 1e-5, 500  # of the conjugate gradients


def propagate(
    x_ND: Tensor, labelled_L: Tensor, code_L: Tensor, classes: int, seed: int = 0, graph_rows: int = GRAPH_ROWS
) -> Tensor:
    """Probabilities of the classes, float32 [N, K]; the labelled rows have 1 at their own.

    Args:
        x_ND: floating features of all rows.
        labelled_L: int64, different rows that have labels.
        code_L: int64, their classes 0..K-1.
        classes: K; each should have a row.
        seed: of the sample, where there are more rows than a graph takes.
        graph_rows: rows that a graph takes, at the most.
    """
    return Graph(x_ND, labelled_L, seed, graph_rows).spread(labelled_L, code_L, classes)


class Graph:
    """Nearest neighbours of rows, along which labels are spread, as often as wanted."""

    def __init__(self, x_ND: Tensor, required_L: Tensor, seed: int = 0, graph_rows: int = GRAPH_ROWS) -> None:
        """`required_L` (int64): rows that must be in the graph, which are all that will have labels."""
        x = x_ND.float()
        self.x_ND = F.normalize(x - x.mean(0), dim=1)
        self.rows_M = _sample(len(x), required_L, seed, graph_rows)
        self.place_N = torch.full((len(x),), -1)
        self.place_N[self.rows_M] = torch.arange(len(self.rows_M))
        self.system = _system(self.x_ND[self.rows_M])
        self.others_Q = (self.place_N < 0).nonzero()[:, 0]
        self.cosine_QB, self.near_QB = torch.empty(0, 1), torch.empty(0, 1, dtype=torch.int64)
        if len(self.others_Q):
            self.cosine_QB, self.near_QB = nearest(self.x_ND[self.rows_M], self.x_ND[self.others_Q], NEIGHBOURS)

    def spread(self, labelled_L: Tensor, code_L: Tensor, classes: int) -> Tensor:
        """Probabilities of the classes, as `propagate` gives them."""
        score_MK = _solve(self.system, self.place_N[labelled_L], code_L, classes)
        probability_NK = torch.zeros(len(self.x_ND), classes)
        probability_NK[self.rows_M] = score_MK
        weight_QB = self.cosine_QB.clamp_min(0) ** _SHARPNESS
        probability_NK[self.others_Q] = torch.einsum("qb,qbk->qk", weight_QB, score_MK[self.near_QB])
        total_N1 = probability_NK.sum(1, keepdim=True)
        far = (total_N1[:, 0] <= 0).nonzero()[:, 0]  # no path leads to a labelled row
        probability_NK = probability_NK / total_N1.clamp_min(torch.finfo(torch.float32).tiny)
        if len(far):
            _, near_Q1 = nearest(self.x_ND[labelled_L], self.x_ND[far], 1)
            guess = F.one_hot(code_L[near_Q1[:, 0]], classes).float()
            probability_NK[far] = (1 + _HUNCH * guess * classes) / (classes * (1 + _HUNCH))
        probability_NK[labelled_L] = F.one_hot(code_L, classes).float()
        return probability_NK


def left_out_right(
    x_ND: Tensor, labelled_L: Tensor, code_L: Tensor, classes: int, seed: int = 0, graph_rows: int = GRAPH_ROWS
) -> float:
    """How often given labels are guessed right: the mean of `left_out`."""
    return float(left_out(x_ND, labelled_L, code_L, classes, seed, graph_rows).double().mean())


def left_out(
    x_ND: Tensor, labelled_L: Tensor, code_L: Tensor, classes: int, seed: int = 0, graph_rows: int = GRAPH_ROWS
) -> Tensor:
    """Which given labels are guessed right, each fifth of them spread from the others (cross-validation); bool [L].

    Args are those of `propagate`. None where no class has two labels, as nothing is left to spread then.
    """
    rows_M = _sample(len(x_ND), labelled_L, seed, graph_rows)  # the others would be looked up and not be asked for
    place_N = torch.full((len(x_ND),), -1)
    place_N[rows_M] = torch.arange(len(rows_M))
    place_L = place_N[labelled_L]
    graph = Graph(x_ND[rows_M], place_L, seed, graph_rows)
    fold_L = torch.empty_like(code_L)
    for code in code_L.unique():  # a fifth of every class
        of_it = (code_L == code).nonzero()[:, 0]
        fold_L[of_it] = torch.arange(len(of_it)) % FOLDS
    right_L = torch.zeros(len(code_L), dtype=torch.bool)
    for fold in fold_L.unique():
        out = fold_L == fold
        if out.all():
            return right_L
        guess_N = graph.spread(place_L[~out], code_L[~out], classes).argmax(1)
        right_L[out] = guess_N[place_L[out]] == code_L[out]
    return right_L


def _sample(n: int, labelled_L: Tensor, seed: int, graph_rows: int) -> Tensor:
    """The labelled rows and a sample of the others, ascending."""
    if n <= graph_rows:
        return torch.arange(n)
    order = rng.permutation(seed, "propagate/sample", 0, n)
    others = order[~torch.isin(order, labelled_L)]
    return torch.cat([labelled_L, others[: max(0, graph_rows - len(labelled_L))]]).sort().values


def _system(x_MD: Tensor) -> scipy.sparse.csr_matrix:
    """I - alpha S of the graph of these rows."""
    import scipy.sparse

    m = len(x_MD)
    cosine, near = nearest(x_MD, x_MD, min(NEIGHBOURS + 1, m))
    self_M1 = torch.arange(m)[:, None]
    weight = torch.where(near == self_M1, 0.0, cosine.clamp_min(0) ** _SHARPNESS).double().numpy()
    row = self_M1.expand_as(near).numpy()
    directed = scipy.sparse.csr_matrix((weight.ravel(), (row.ravel(), near.numpy().ravel())), (m, m))
    w = directed + directed.T
    degree = np.asarray(w.sum(1)).ravel()
    root = scipy.sparse.diags(1 / np.sqrt(np.maximum(degree, 1e-12)))
    return (scipy.sparse.identity(m) - ALPHA * (root @ w @ root)).tocsr()


def _solve(system: scipy.sparse.csr_matrix, place_L: Tensor, code_L: Tensor, classes: int) -> Tensor:
    """Scores [M, K] of the rows of the graph, none below 0."""
    from scipy.sparse.linalg import cg

    y_MK = np.zeros((system.shape[0], classes))
    y_MK[place_L.numpy()] = F.one_hot(code_L, classes).double().numpy()
    with phase("spreading labels, classes", classes) as p:
        columns = [cg(system, y_MK[:, k], rtol=_TOLERANCE, maxiter=_ITERATIONS)[0] for k in p.over(range(classes))]
    score_MK = np.maximum(np.stack(columns, 1), 0)
    score_MK[score_MK < _TOLERANCE * score_MK.max(0)] = 0.0  # below what is solved for: no path, or as good as none
    return torch.from_numpy(score_MK).float()
