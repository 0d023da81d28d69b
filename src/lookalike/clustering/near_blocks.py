"""Labels of rows that lie in blocks of near ones, each compared with few centroids only.

Rows are sorted so that those of near clusters follow one another, and every block has an origin o of its own in the
middle of its rows. A centroid is left out of a block's product

- by the triangle inequality: no row x of the block with |x - o| <= r has c as its nearest where |c - o| > r + u and u
  is at least the distance of x to some centroid (Elkan 2003, "Using the triangle inequality to accelerate k-means");
- along the axes in which rows differ most (W orthonormal columns V): with what is left of a vector outside of them at
  length rho, the inequality of Cauchy and Schwarz gives (x - o).(c - o) <= V(x - o).V(c - o) + rho_x rho_c, a product
  of width W in place of D. Features of networks lie near few axes.

What remains is computed in the rows' own precision with o as the origin, so that rounding errors are those of the small
distances within a block. Axes: N rows, B rows of a block, J blocks, D features, K centroids, M of them in a block.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from lookalike.clustering.assignment import Assignment, Scratch
from lookalike.clustering.block_labels import LOOSE, label_near_blocks
from lookalike.clustering.full_blocks import FullBlocks, Prepared, rounding
from lookalike.core.torchscript import torchscript
from lookalike.core.workers import Workers

_TOGETHER = 16  # blocks whose distances to the centroids are taken by one product
_label_near = torchscript(label_near_blocks)


@dataclass(frozen=True)
class Targets:
    """Centroids made ready, in float64 for what is small against the distances between blocks."""

    full: Prepared
    centred_KD: Tensor
    """float64, less the rows' common origin."""
    square_K: Tensor
    """float64 |c|^2 of those."""
    lead_WK: Tensor
    """float64: their coordinates along the axes."""
    distinct_K: Tensor
    """bool: not equal to a centroid before; empty where all differ."""


class NearBlocks:
    """Sorted copies of the rows of `full`, less their block's origin."""

    def __init__(
        self, full: FullBlocks, order_N: np.ndarray, starts_J: np.ndarray, axes_DW: Tensor | None, workers: Workers
    ) -> None:
        """How rows are sorted is a `Plan`: `order_N`, `starts_J`, `axes_DW`."""
        x_ND = full.x_ND
        n, d = x_ND.shape
        self.full, self.order_N, self.workers = full, torch.from_numpy(order_N), workers
        self.axes_DW = x_ND.new_empty(d, 0) if axes_DW is None else axes_DW
        self.bounds = np.append(starts_J, n).tolist()
        blocks, width = len(starts_J), self.axes_DW.shape[1]
        self.rows_ND = torch.empty_like(x_ND)
        self.square_N, self.across_N = x_ND.new_empty(n), x_ND.new_empty(n)
        self.middle_JD = x_ND.new_empty(
            blocks, d
        )  # the origins: of the rows' type, so that only differences are rounded
        self.origin_JD = torch.empty(blocks, d, dtype=torch.float64)  # those seen from the common origin
        self.lead_NW = x_ND.new_empty(n, width + 3 if width else 0)
        self._scratch = Scratch()
        self._blocks_at_once = max(1, min(_TOGETHER, blocks // 8))

        def copy(numbers: slice) -> None:
            for j in range(numbers.start, numbers.stop):
                self._copy(j)

        workers.for_blocks(copy, blocks, 1)
        self._lead_origin_JW = self.origin_JD @ self.axes_DW.double()

    def _rows(self, j: int) -> slice:
        return slice(self.bounds[j], self.bounds[j + 1])

    def _copy(self, j: int) -> None:
        rows = self._rows(j)
        x_BD = self.rows_ND[rows]
        torch.index_select(self.full.x_ND, 0, self.order_N[rows], out=x_BD)
        self.middle_JD[j] = x_BD.mean(0, dtype=torch.float64)
        x_BD -= self.middle_JD[j]
        self.origin_JD[j] = self.middle_JD[j].double() - self.full.origin_D.double()
        square_B = x_BD.square().sum(1)
        self.square_N[rows] = square_B
        self.across_N[rows] = x_BD @ self.origin_JD[j].to(x_BD.dtype)
        if self.lead_NW.shape[1]:
            lead_BW = x_BD @ self.axes_DW
            rest_B = (square_B * (1 + LOOSE) - lead_BW.square().sum(1)).clamp_(min=0)
            self.lead_NW[rows, :-3] = lead_BW
            self.lead_NW[rows, -3] = (rest_B + LOOSE * square_B).sqrt_() * (1 + LOOSE)
            self.lead_NW[rows, -2] = 1

    def prepare(self, full: Prepared, first_K: Tensor | None) -> Targets:
        """Centroids as `full` has them, and what the tests need of them."""
        centred_KD = full.c_KD.double() - self.full.origin_D.double()
        lead_WK = (centred_KD @ self.axes_DW.double()).T.contiguous()
        distinct_K = torch.empty(0, dtype=torch.bool) if first_K is None else first_K == torch.arange(len(first_K))
        return Targets(full, centred_KD, centred_KD.square().sum(1), lead_WK, distinct_K)

    def label(self, t: Targets, state: Assignment) -> None:
        """Bring labels and bounds up to date for these centroids; undecided rows wait for `Assignment.settle`."""
        blocks = len(self.bounds) - 1

        def label(chunks: slice) -> None:
            for chunk in range(chunks.start, chunks.stop):
                self._label_some(
                    slice(chunk * self._blocks_at_once, min((chunk + 1) * self._blocks_at_once, blocks)), t, state
                )

        self.workers.for_blocks(label, math.ceil(blocks / self._blocks_at_once), 1)

    def _from_origins(self, t: Targets, blocks: slice) -> tuple[Tensor, Tensor, Tensor]:
        """For each of some blocks [J] the centroids as it sees them.

        Returns:
            Squared distances to its origin (float64 [J, K]), what these are outside of the axes, and how far they can
            be off.
        """
        origin_JD, lead_JW = self.origin_JD[blocks], self._lead_origin_JW[blocks]
        size_JK = origin_JD.square().sum(1, keepdim=True) + t.square_K
        far_JK = torch.addmm(size_JK, origin_JD, t.centred_KD.T, alpha=-2).clamp_(min=0)
        lead_JK = lead_JW.square().sum(1, keepdim=True) + t.lead_WK.square().sum(0)
        lead_JK = torch.addmm(lead_JK, lead_JW, t.lead_WK, alpha=-2)
        rest_JK = (far_JK - lead_JK).clamp_(min=0).add_(size_JK, alpha=LOOSE**2)
        return far_JK, rest_JK, 2 * rounding(origin_JD.shape[1], torch.float64) * size_JK.amax(1)

    def _label_some(self, blocks: slice, t: Targets, state: Assignment) -> None:
        bounds, dtype = self.bounds[blocks.start : blocks.stop + 1], self.rows_ND.dtype
        longest, d = max(end - start for start, end in pairwise(bounds)), self.rows_ND.shape[1]
        far_JK, rest_JK, lost_J = self._from_origins(t, blocks)
        row_P, candidate_P = _label_near(
            bounds,
            self.order_N,
            self.rows_ND,
            self.square_N,
            self.across_N,
            self.lead_NW,
            self.middle_JD[blocks],
            self._lead_origin_JW[blocks],
            t.full.c_KD,
            t.lead_WK,
            far_JK,
            rest_JK,
            t.distinct_K,
            t.full.wide_DL,
            t.full.longest,
            rounding(d, dtype),
            rounding(self.lead_NW.shape[1], dtype),
            lost_J,
            state.labels_N,
            state.upper_N,
            state.lower_N,
            state.drift_K,
            state.few,
            self._scratch.take(longest * (len(t.full.bias_L) + d), self.rows_ND),
        )
        state.undecided(row_P, candidate_P, self.full.x_ND, t.full.c_KD)
