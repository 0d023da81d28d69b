"""One protocol for every set of features: kNN, linear and clusters, on the same rows with the same values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from torch import Tensor

from lookalike.core.progress import phase
from lookalike.core.ranks import ALONE, Ranks
from lookalike.evaluate.clusters import agreement, groups
from lookalike.evaluate.knn import TEMPERATURE, K, knn_accuracy
from lookalike.evaluate.linear import HELD_OUT, PENALTIES, linear_accuracy

_WAYS = {"kmeans": "cluster", "spectral": "cluster.spectral"}  # way of grouping, key of what it reaches


def measure(
    x_ND: Tensor, labels_N: Tensor, bank: Tensor, test: Tensor, classes: int, ranks: Ranks = ALONE
) -> dict[str, Any]:
    """Accuracies in [0, 1] of frozen features.

    Args:
        x_ND: floating features of all images.
        labels_N: int64 labels.
        bank: int64 rows to learn from.
        test: int64 rows that the figures are of, used for nothing else.
        classes: number of classes, and of groups to make.
        ranks: processes that share the work, all given the same; groups are made by the first.

    Returns:
        `knn`, `linear`, `penalty` (that of the linear probe), and for both ways of grouping
        `cluster.accuracy`, `cluster.nmi`, `cluster.ari`, `cluster.purity`.
    """
    learn, asked, y_learn, y_asked = x_ND[bank], x_ND[test], labels_N[bank], labels_N[test]
    with phase("evaluating features", 2 + len(_WAYS)) as p:
        found: dict[str, Any] = {"knn": knn_accuracy(learn, y_learn, asked, y_asked, ranks=ranks)}
        p.step()
        found["linear"], found["penalty"] = linear_accuracy(learn, y_learn, asked, y_asked, ranks)
        p.step()
        for way, key in p.over(_WAYS.items()) if ranks.first else ():
            _, predict = groups(way, learn, classes)
            found |= {f"{key}.{name}": value for name, value in asdict(agreement(predict(asked), y_asked)).items()}
    return ranks.objects(found)[0]


def protocol(bank: Tensor, test: Tensor, classes: int, penalties: dict[str, float]) -> dict[str, Any]:
    """What `measure` did, in words and values."""
    return {
        "k": K,
        "temperature": TEMPERATURE,
        "similarity": "cosine",
        "linear": "logistic regression, L-BFGS, standardised features",
        "penalties": list(PENALTIES),
        "penalty_chosen": penalties,
        "penalty_chosen_on": f"{HELD_OUT:.0%} of the learning rows",
        "learning_rows": len(bank),
        "test_rows": len(test),
        "clusters": classes,
        "cluster": "k-means of unit-length features; cluster.spectral: landmark-based spectral clustering",
        "cluster_rows": "groups made of the learning rows without labels, agreement on the test rows",
        "epoch": "last",
        "classes": classes,
        "chance": 1 / max(1, classes),
    }
