"""The nearest images of an image, and how often they are of its class: the paper's "closest 20" as a number."""

from __future__ import annotations

from torch import Tensor

from lookalike.evaluate.knn import K, nearest


def same_class_rate(bank_ND: Tensor, labels_N: Tensor, query_QD: Tensor, labels_Q: Tensor, k: int = K) -> float:
    """The share, in [0, 1], of the queries' k nearest rows of the bank (by cosine) that have the query's label.

    Args:
        bank_ND: floating features to look among; the queries are not in it.
        labels_N: int64 labels.
        query_QD: floating features.
        labels_Q: int64 labels.
        k: neighbours of a query, at most N.
    """
    _, row_QK = nearest(bank_ND, query_QD, k)
    return float((labels_N[row_QK] == labels_Q[:, None]).double().mean())
