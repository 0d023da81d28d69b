"""Accuracy from a handful of labels, over many drawings of the labelled images, and the drawings themselves."""

from __future__ import annotations

import torch
from torch import Tensor

from lookalike.core import rng
from lookalike.evaluate.knn import TEMPERATURE, knn_predict
from lookalike.evaluate.linear import fit_linear, standard

PENALTY = 1e-1
"""Of the logistic regression on a few labels, on |W|^2 / 2."""


def few_shot_accuracy(
    x_ND: Tensor, labels_N: Tensor, per_class: int = 1, draws: int = 100, seed: int = 0
) -> tuple[float, float]:
    """Mean and standard deviation, over drawings, of nearest-neighbour accuracy from few labels.

    Args:
        x_ND: features of all images.
        labels_N: int64 labels; only those of the drawn images are used for prediction.
        per_class: labelled images drawn from each class.
        draws: drawings to average over.
        seed: of the drawings.

    Returns:
        Accuracy in [0, 1] on the images that were not drawn: mean and standard deviation.
    """
    scores = []
    for draw in range(draws):
        order = rng.permutation(seed, "few-labels", draw, len(x_ND))
        shuffled = labels_N[order]
        chosen = torch.cat([order[shuffled == c][:per_class] for c in labels_N.unique()])
        rest = torch.ones(len(x_ND), dtype=torch.bool)
        rest[chosen] = False
        predicted = knn_predict(x_ND[chosen], labels_N[chosen], x_ND[rest], k=1)
        scores.append((predicted == labels_N[rest]).double().mean())
    result = torch.stack(scores)
    return float(result.mean()), float(result.std(unbiased=False))


def drawn(labels_N: Tensor, rows: Tensor, per_class: int, seed: int) -> Tensor:
    """So many of these rows (int64) of each class, or all that a class has; with more, those of fewer are among them.

    Args:
        labels_N: int64 labels of all images.
        rows: int64, those to draw from; their order decides, so sort them by something that is not their name.
        per_class: rows of each class.
        seed: of the drawing.
    """
    order = rows[rng.permutation(seed, "labels/drawn", 0, len(rows))]
    return torch.cat([order[labels_N[order] == c][:per_class] for c in labels_N[rows].unique()])


def drawn_share(labels_N: Tensor, rows: Tensor, share: float, seed: int) -> Tensor:
    """A share of these rows (int64), class by class, rounded, one of each at least; 1 % is part of 10 %."""
    order = rows[rng.permutation(seed, "labels/drawn", 0, len(rows))]
    parts = [order[labels_N[order] == c] for c in labels_N[rows].unique()]
    return torch.cat([part[: max(1, round(share * len(part)))] for part in parts])


PROTOCOL = {
    "drawn": "so many learning rows of each class, by seed; the same ones for all features",
    "features": "the mean of the 20 nearest learning rows, without their labels, twice over; plain: as they are",
    "knn": "cosine of centred features, k = labels a class, votes weighted by exp(similarity / temperature)",
    "linear": "logistic regression, L-BFGS, features standardised by the learning rows without their labels",
    "penalty": PENALTY,
    "temperature": TEMPERATURE,
    "chosen": "beforehand: nothing is chosen by test rows",
}
"""What `knn_of_few` and `linear_of_few` do, in words and values."""


def knn_of_few(x_LD: Tensor, label_L: Tensor, unlabelled_ND: Tensor, query_QD: Tensor) -> Tensor:
    """Labels (int64 [Q]) by the nearest labelled rows, of features less the mean of the unlabelled ones."""
    mean_D = unlabelled_ND.float().mean(0)
    k = max(1, len(label_L) // len(label_L.unique()))
    return knn_predict(x_LD.float() - mean_D, label_L, query_QD.float() - mean_D, k)


def linear_of_few(x_LD: Tensor, label_L: Tensor, unlabelled_ND: Tensor, query_QD: Tensor) -> Tensor:
    """Labels (int64 [Q]) by logistic regression with a fixed penalty; L rows are too few to choose one by."""
    probe = fit_linear(x_LD, label_L, penalties=(PENALTY,), statistics=standard(unlabelled_ND))
    return probe.predict(query_QD)
