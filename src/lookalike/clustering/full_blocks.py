"""Labels by the product of all rows and all centroids, a block of rows at a time, in the rows' own precision.

Axes: N rows, B rows of a block, D features, K centroids, L columns: K and what fills the last group of eight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lookalike.clustering.assignment import Assignment, Scratch
from lookalike.clustering.block_labels import label_full
from lookalike.core.torchscript import torchscript
from lookalike.core.workers import Workers

_SCORES = 1 << 20  # scores of a block; more leave the caches, fewer cost more calls than arithmetic
_FEWEST, _MOST = 256, 2048  # rows of a block; below, calls cost more than arithmetic
_PREPARE = 1024  # rows looked at together before the first product
_label_full = torchscript(label_full)
_FAR = 4.0  # the mean's square in mean squares about it, from which rows are moved to it


@dataclass(frozen=True)
class Prepared:
    """Centroids made ready for products."""

    c_KD: Tensor
    """As given."""
    centred_KD: Tensor
    """Less the rows' origin."""
    wide_DL: Tensor
    """Those as columns."""
    bias_L: Tensor
    """-|c|^2 / 2; -inf for columns that fill and for centroids equal to one before them."""
    longest: float
    """The largest |c|."""


def block_rows(k: int) -> int:
    """Rows of a block whose scores against k centroids stay in the caches."""
    return max(_FEWEST, min(_MOST, _SCORES // k // 64 * 64))


def rounding(d: int, dtype: torch.dtype) -> float:
    """What a sum of d products, its bias and the subtraction of an origin can be off, in products of lengths."""
    return 1.001 * (d + 8) * torch.finfo(dtype).eps


class FullBlocks:
    """Rows (float32 or float64 [N, D], finite, on the CPU) in the order in which they came."""

    def __init__(self, x_ND: Tensor, workers: Workers, block: int | None = None) -> None:
        """`block`: rows of a block; chosen by cache size where None."""
        self.x_ND, self.workers, self.block = x_ND, workers, block
        n, d = x_ND.shape
        self.square_N = x_ND.new_empty(n)
        sums: dict[int, Tensor] = {}

        def measure(rows: slice) -> None:
            self.square_N[rows] = torch.linalg.vector_norm(x_ND[rows], dim=1).square_()
            sums[rows.start] = x_ND[rows].sum(0).double()

        workers.for_blocks(measure, n, _PREPARE)
        mean_D = torch.stack([sums[start] for start in sorted(sums)]).sum(0) / n
        spread = float(self.square_N.mean(dtype=torch.float64)) - float(mean_D.square().sum())
        # Every origin gives the same labels. Near to the rows it makes rounding errors small, at the price of a copy.
        self.origin_D = x_ND.new_zeros(d)
        self.rows_ND = x_ND
        if float(mean_D.square().sum()) > _FAR * spread:
            self.origin_D = mean_D.to(x_ND.dtype)
            self.rows_ND = torch.empty_like(x_ND)

            def centre(rows: slice) -> None:
                torch.sub(x_ND[rows], self.origin_D, out=self.rows_ND[rows])
                self.square_N[rows] = self.rows_ND[rows].square().sum(1)

            workers.for_blocks(centre, n, _PREPARE)
        self._scratch = Scratch()

    def prepare(self, c_KD: Tensor, first_K: Tensor | None) -> Prepared:
        """Lay centroids out for products; `first_K` is their `first_equal`."""
        k, d = c_KD.shape
        centred_KD = c_KD - self.origin_D
        bias_L = c_KD.new_full((math.ceil(k / 8) * 8,), -math.inf)
        square_K = centred_KD.double().square().sum(1)
        bias_L[:k] = -0.5 * square_K
        if first_K is not None:
            bias_L[:k][first_K != torch.arange(k)] = -math.inf
        wide_DL = c_KD.new_zeros(d, len(bias_L))
        wide_DL[:, :k] = centred_KD.T
        return Prepared(c_KD, centred_KD, wide_DL, bias_L, math.sqrt(float(square_K.max())))

    def label(self, p: Prepared, state: Assignment) -> None:
        """Bring labels and bounds up to date for these centroids; undecided rows wait for `Assignment.settle`."""
        n, d = self.rows_ND.shape
        eps, columns = rounding(d, self.rows_ND.dtype), len(p.bias_L)

        def label(rows: slice) -> None:
            memory = self._scratch.take((rows.stop - rows.start) * (columns + d), self.rows_ND)
            row_P, candidate_P = _label_full(
                rows.start,
                rows.stop,
                self.rows_ND,
                self.square_N,
                p.wide_DL,
                p.bias_L,
                p.longest,
                eps,
                state.labels_N,
                state.upper_N,
                state.lower_N,
                state.drift_K,
                state.few,
                memory,
            )
            state.undecided(row_P, candidate_P, self.x_ND, p.c_KD)

        self.workers.for_blocks(label, n, self.block or block_rows(len(p.c_KD)))
