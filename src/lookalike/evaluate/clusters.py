"""How well k-means groups of features agree with labels, as accuracy after the best matching."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from torch import Tensor


def matched_accuracy(clusters_N: np.ndarray, labels_N: np.ndarray) -> float:
    """Share of images in [0, 1] whose cluster is matched to their label, clusters and labels paired one
    to one in the best way (Hungarian method, Kuhn 1955)."""
    table = np.zeros((clusters_N.max() + 1, labels_N.max() + 1), dtype=np.int64)
    np.add.at(table, (clusters_N, labels_N), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / len(labels_N))


def kmeans_accuracy(x_ND: Tensor, labels_N: Tensor, k: int, seed: int = 0, restarts: int = 10) -> float:
    """Matched accuracy of k-means (best inertia of `restarts`) on features scaled to unit length."""
    x = F.normalize(x_ND.double(), dim=1).numpy()
    clusters = KMeans(k, n_init=restarts, random_state=seed).fit_predict(x)
    return matched_accuracy(clusters, torch.as_tensor(labels_N).numpy())
