"""One protocol for every set of features: kNN, linear and clusters, on the same rows with the same values."""

from __future__ import annotations

from dataclasses import asdict

from torch import Tensor

from lookalike.core.comm import SINGLE, Comm
from lookalike.core.progress import phase
from lookalike.evaluate.clusters import clustering_metrics, groups
from lookalike.evaluate.knn import TEMPERATURE, K, knn_accuracy
from lookalike.evaluate.linear import HELD_OUT, PENALTIES, linear_accuracy
from lookalike.runs.evaluation import GroupScores, Scores

_METHODS = ("kmeans", "spectral")  # of grouping


def measure(x_ND: Tensor, labels_N: Tensor, bank: Tensor, test: Tensor, classes: int, comm: Comm = SINGLE) -> Scores:
    """Accuracies in [0, 1] of frozen features.

    Args:
        x_ND: floating features of all images.
        labels_N: int64 labels.
        bank: int64 rows to learn from.
        test: int64 rows that the figures are of, used for nothing else.
        classes: number of classes, and of groups to make.
        comm: processes that share the work, all given the same; groups are made by the first.

    Returns:
        All that `Scores` has; of several processes each has what the first measured.
    """
    learn, asked, y_learn, y_asked = x_ND[bank], x_ND[test], labels_N[bank], labels_N[test]
    with phase("evaluating features", 2 + len(_METHODS)) as p:
        knn = knn_accuracy(learn, y_learn, asked, y_asked, comm=comm)
        p.step()
        linear, penalty = linear_accuracy(learn, y_learn, asked, y_asked, comm)
        p.step()
        groups_of = {}
        for method in p.over(_METHODS) if comm.first else ():
            _, predict = groups(method, learn, classes)
            groups_of[method] = GroupScores(**asdict(clustering_metrics(predict(asked), y_asked)))
    scores: Scores = comm.objects(Scores(knn, linear, penalty, groups_of.get("kmeans"), groups_of.get("spectral")))[0]
    return scores


def protocol(bank: Tensor, test: Tensor, classes: int, penalties: dict[str, float]) -> dict[str, object]:
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
