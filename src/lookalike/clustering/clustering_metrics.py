"""How well two groupings of the same images agree; none of it depends on how the groups are numbered.

NMI (Strehl and Ghosh 2002), ARI (Hubert and Arabie 1985), accuracy after the best matching (Kuhn 1955)
and purity. All are exact at the corners, by the conventions of scikit-learn: groupings that are equal up
to renaming agree by 1, also where both have one group only; one group against many tells nothing, 0.
Counting sees only pairs of groups that occur, so thousands of clusters on both sides are no trouble.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from torch import Tensor

from lookalike.core.errors import LookalikeError

Labels = Tensor | np.ndarray | Sequence[int]


def contingency(a_N: Labels, b_N: Labels) -> np.ndarray:
    """How many images are in group i of `a` and group j of `b`: int64 [groups of a, groups of b].

    Groups are in ascending order of their labels; labels that do not occur have no row or column.

    Raises:
        LookalikeError: the groupings differ in length, are empty or are no vectors.
    """
    i_P, j_P, count_P = _pairs(a_N, b_N)
    table = np.zeros((i_P.max() + 1, j_P.max() + 1), dtype=np.int64)
    table[i_P, j_P] = count_P
    return table


def nmi(a_N: Labels, b_N: Labels, average: Literal["arithmetic", "geometric"] = "arithmetic") -> float:
    """Normalised mutual information in [0, 1]: I(a; b) over the mean of the two entropies.

    Args:
        a_N: group of each image, integers.
        b_N: likewise, of the same images.
        average: the mean; "geometric" is what DeepCluster's paper reports.

    Raises:
        LookalikeError: as `contingency`.
    """
    i_P, j_P, count_P = _pairs(a_N, b_N)
    a_K, b_K = _sizes(i_P, count_P), _sizes(j_P, count_P)
    if _same(count_P, a_K, b_K):
        return 1.0
    n = float(count_P.sum())
    # a quotient of whole numbers inside the logarithm: independent groupings give log(1) = 0 exactly
    information = float((count_P / n) @ np.log(count_P * n / (a_K[i_P].astype(float) * b_K[j_P])))
    if information <= 0:
        return 0.0
    entropies = [-float((size_K / n) @ np.log(size_K / n)) for size_K in (a_K, b_K)]
    mean = sum(entropies) / 2 if average == "arithmetic" else (entropies[0] * entropies[1]) ** 0.5
    return min(1.0, information / mean)


def ari(a_N: Labels, b_N: Labels) -> float:
    """Adjusted Rand index: agreement about pairs of images, 0 on average by chance and 1 at best.

    Raises:
        LookalikeError: as `contingency`.
    """
    i_P, j_P, count_P = _pairs(a_N, b_N)
    a_K, b_K = _sizes(i_P, count_P), _sizes(j_P, count_P)
    if _same(count_P, a_K, b_K):
        return 1.0
    # Python's whole numbers: products of numbers of pairs do not fit into 64 bits
    both, in_a, in_b = (int((size * (size - 1) // 2).sum()) for size in (count_P, a_K, b_K))
    n = int(count_P.sum())
    pairs = n * (n - 1) // 2
    return 2 * (both * pairs - in_a * in_b) / (pairs * (in_a + in_b) - 2 * in_a * in_b)


def matched_accuracy(a_N: Labels, b_N: Labels) -> float:
    """Share of images in [0, 1] whose groups are matched, groups paired one to one in the best way.

    Where one side has more groups than the other, the groups left over match nothing.

    Raises:
        LookalikeError: as `contingency`.
    """
    from scipy.optimize import linear_sum_assignment  # a training begins without it

    table = contingency(a_N, b_N)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / table.sum())


def purity(a_N: Labels, b_N: Labels) -> float:
    """Share of images in (0, 1] that belong to the commonest class of their cluster.

    Args:
        a_N: cluster of each image.
        b_N: class of each image.

    Raises:
        LookalikeError: as `contingency`.
    """
    i_P, _, count_P = _pairs(a_N, b_N)
    commonest_K = np.zeros(i_P.max() + 1, dtype=np.int64)
    np.maximum.at(commonest_K, i_P, count_P)
    return float(commonest_K.sum() / count_P.sum())


def _pairs(a_N: Labels, b_N: Labels) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs of groups that occur (numbered from 0) and how often, each int64 [pairs]."""
    a, b = (np.asarray(x.cpu() if isinstance(x, Tensor) else x) for x in (a_N, b_N))
    if a.ndim != 1 or a.shape != b.shape or a.size == 0:
        raise LookalikeError(
            f"two groupings of the same images are two vectors of equal length, got {list(a.shape)} and {list(b.shape)}"
        )
    a, b = (np.unique(x, return_inverse=True)[1] for x in (a, b))
    columns = int(b.max()) + 1
    pair_P, count_P = np.unique(a * columns + b, return_counts=True)
    return pair_P // columns, pair_P % columns, count_P


def _sizes(group_P: np.ndarray, count_P: np.ndarray) -> np.ndarray:
    """Images in each group, int64 [groups]."""
    size_K = np.zeros(group_P.max() + 1, dtype=np.int64)
    np.add.at(size_K, group_P, count_P)
    return size_K


def _same(count_P: np.ndarray, a_K: np.ndarray, b_K: np.ndarray) -> bool:
    """Whether the groupings are equal up to renaming: each group meets one group of the other side."""
    return len(count_P) == len(a_K) == len(b_K)
