"""Accuracy from a handful of labels: the nearest labelled image, averaged over many drawings."""

from __future__ import annotations

import torch
from torch import Tensor

from lookalike.core import rng
from lookalike.evaluate.knn import knn_predict


def few_labels_accuracy(
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
