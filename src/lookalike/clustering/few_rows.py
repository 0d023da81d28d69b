"""Labels of few rows by all scores in float64 at once: what makes `full_blocks.py` fast with many costs more here.

Axes: N rows, D features, K centroids, U rows of which several centroids may be the nearest, P pairs of those.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lookalike.clustering.exact import nearest_of_pairs
from lookalike.clustering.full_blocks import rounding


class FewRows:
    """Rows (float32 or float64 [N, D], finite, on the CPU) that are compared with all centroids at a time."""

    def __init__(self, x_ND: Tensor) -> None:
        self.x_ND = x_ND
        # the labels do not depend on the origin, and the rounding of the scores is less where it is near to the rows
        self.origin_D = x_ND.double().mean(0)
        self.rows_ND = x_ND.double() - self.origin_D
        self.length_N = self.rows_ND.square().sum(1).sqrt_()

    def __call__(self, c_KD: Tensor) -> Tensor:
        """Labels (int64 [N]) of the nearest of c_KD, the lowest index of equal ones."""
        centred_KD = c_KD.double() - self.origin_D
        square_K = centred_KD.square().sum(1)
        longest = math.sqrt(float(square_K.max()))
        scores_NK = torch.addmm(square_K * -0.5, self.rows_ND, centred_KD.T)
        best_N, labels_N = scores_NK.max(1)
        off_N = (self.length_N + longest) * (2 * rounding(c_KD.shape[1], torch.float64) * longest)
        near_NK = scores_NK >= (best_N - off_N)[:, None]
        if int(near_NK.sum()) > len(labels_N):
            row_U = (near_NK.sum(1) > 1).nonzero()[:, 0]
            of_P, candidate_P = near_NK[row_U].nonzero().unbind(1)
            labels_N[row_U] = nearest_of_pairs(self.x_ND[row_U], c_KD, of_P, candidate_P).labels_U
        return labels_N
