"""The nearest centroid of every row, by whichever of several ways is the fastest for these rows on this machine.

Labels are those of exact arithmetic, whatever the way: they depend neither on the block size nor on the other rows.
Ties go to the lowest index.

- Few rows are compared with all centroids in float64 at once (`few_rows.py`).
- On a CPU each block of rows is multiplied with all centroids in the rows' own precision (`full_blocks.py`), and rows
  that cannot have changed are left out.
- Where a few blocks show that most centroids are out of reach of a block of near rows, rows are sorted into such
  blocks (`near_blocks.py`, `pruning_plan.py`). So they are where many rows have several centroids nearer to each other
  than rounding can tell from a common origin.
- Where the CPU multiplies bfloat16 in hardware, that serves as a first look (`screening.py`) as long as it is measured
  to be faster: rows with structure finer than its rounding need too many second looks.
- On a GPU `screening.py` compares in the rows' own precision.

Axes: N rows, D features, K centroids.
"""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor

from lookalike.clustering.assignment import Assignment
from lookalike.clustering.exact import first_equal
from lookalike.clustering.few_rows import FewRows
from lookalike.clustering.full_blocks import FullBlocks
from lookalike.clustering.near_blocks import NearBlocks
from lookalike.clustering.pruning_plan import Plan, calls_left, due, near_order, near_rows, plan
from lookalike.clustering.screening import Screening
from lookalike.core.machine import cpu_has_bf16
from lookalike.core.workers import Workers

_FEW = 1 << 23  # N * K * D up to which a labelling is a matter of calls and not of arithmetic
_WORTH_BF16 = 1 << 24  # N * K * D below which preparing bfloat16 rows costs more than it saves
_SAMPLE = 4096  # rows on which bfloat16 is timed
_FASTER = 0.9  # of the time of float32, below which bfloat16 is taken
_MOST_PAIRS = 0.5  # pairs of undecided rows and candidates, a row, from which rows are sorted
_MEASURED = 1024  # rows whose distances are taken at a time
_WIDER = 1 + 1e-3  # of a distance, for the rounding of the sum


class Nearest:
    """Labels of the same rows for changing centroids.

    Args:
        x_ND: rows, float32 or float64, finite, on any device.
        k: number of centroids to come.
        workers: threads to share the rows out to.
        block: rows scored at a time; chosen by cache size where None.
        calls: how often they will be labelled at most, where that is known.
    """

    def __init__(
        self, x_ND: Tensor, k: int, workers: Workers, block: int | None = None, calls: int | None = None
    ) -> None:
        self.x_ND, self.k, self.workers, self.block, self.calls = x_ND, k, workers, block, calls
        self.made = 0
        self.full: FullBlocks | None = None
        self.near: NearBlocks | None = None
        self.screening: Screening | None = None
        self.few: FewRows | None = None
        self._before_KD: Tensor | None = None
        self._full_seconds = math.inf  # of a row that is compared with all centroids in its own precision
        self._screening_seconds = math.inf
        if x_ND.device.type != "cpu":
            self.screening = Screening(x_ND, k, workers, block, x_ND.dtype)
            return
        if x_ND.numel() * k <= _FEW and block is None:
            self.few = FewRows(x_ND)
            return
        self.full = FullBlocks(x_ND, workers, block)
        self.state = Assignment(x_ND)

    def __call__(self, c_KD: Tensor) -> Tensor:
        """Labels (int64 [N]) of the nearest of c_KD, which has the dtype and device of the rows."""
        if self.few is not None:
            return self.few(c_KD)
        if self.full is None:
            assert self.screening is not None
            return self.screening(c_KD)
        self.made += 1
        if self.screening is not None and self.near is None:
            self._screen(c_KD)
        else:
            self._label(self.full, c_KD)
        self._choose(self.full, c_KD)
        self._before_KD = c_KD
        return self.state.labels_N.clone()

    def _label(self, full: FullBlocks, c_KD: Tensor) -> None:
        first_K = first_equal(c_KD)
        if self._before_KD is not None:
            self.state.move(self._before_KD, c_KD, first_K)
        prepared = full.prepare(c_KD, first_K)
        if self.near is None:
            start = time.perf_counter()
            self.state.limit(_MOST_PAIRS * len(self.x_ND))
            full.label(prepared, self.state)
            self._full_seconds = min(self._full_seconds, (time.perf_counter() - start) / len(self.x_ND))
            if self.state.too_many:
                order_N, starts_J = near_order(self.state.labels_N.numpy(), c_KD, self.block or near_rows(self.k))
                self._sort(full, Plan(order_N, starts_J, None, 1.0))
                self.state.settle(self.x_ND, c_KD, self.workers)
        if self.near is not None:
            self.state.limit(math.inf)
            self.near.label(self.near.prepare(prepared, first_K), self.state)
        self.state.settle(self.x_ND, c_KD, self.workers)
        if first_K is not None:
            self.state.forget_others()  # equal centroids were not counted among them, and may part again

    def _screen(self, c_KD: Tensor) -> None:
        assert self.screening is not None
        start = time.perf_counter()
        self.state = Assignment(self.x_ND)
        self.state.labels_N = self.screening(c_KD)
        self._screening_seconds = (time.perf_counter() - start) / len(self.x_ND)

    def _choose(self, full: FullBlocks, c_KD: Tensor) -> None:
        """Decide how the next labelling is done, by how this one went."""
        left = calls_left(self.made, self.calls)
        if self.near is not None or left < 1 or not due(self.made):
            return
        seconds = self._full_seconds
        if self.screening is not None:
            seconds = self._screening_seconds
            self._measure_distances(c_KD)
        planned = plan(full, c_KD, self.state, left)
        if planned is not None and planned.cost * self._full_seconds < seconds:
            self._sort(full, planned)
        elif self.screening is None:
            if self._bf16_is_faster(c_KD):
                self.screening = Screening(self.x_ND, self.k, self.workers, self.block, torch.bfloat16)
        elif self._screening_seconds > self._full_seconds:
            self.screening = None

    def _bf16_is_faster(self, c_KD: Tensor) -> bool:
        """Whether a look in bfloat16 first takes less time; tried on some rows, once, where the CPU computes in it."""
        if self.made > 1 or not screens(self.x_ND, self.k):
            return False
        x_SD = self.x_ND[:: max(1, len(self.x_ND) // _SAMPLE)]
        full, rough = FullBlocks(x_SD, self.workers), Screening(x_SD, self.k, self.workers, None, torch.bfloat16)
        prepared, state = full.prepare(c_KD, None), Assignment(x_SD)
        seconds = []
        for label in (lambda: full.label(prepared, state), lambda: rough(c_KD)):
            label()
            state.forget_distances()
            start = time.perf_counter()
            label()
            seconds.append((time.perf_counter() - start) / len(x_SD))
        self._full_seconds = seconds[0]
        return seconds[1] < _FASTER * seconds[0]

    def _measure_distances(self, c_KD: Tensor) -> None:
        """Give the state the distances that `screening` does not tell."""

        def measure(rows: slice) -> None:
            apart_BD = self.x_ND[rows] - c_KD.index_select(0, self.state.labels_N[rows])
            self.state.upper_N[rows] = apart_BD.square_().sum(1).sqrt_() * _WIDER

        self.workers.for_blocks(measure, len(self.x_ND), _MEASURED)

    def _sort(self, full: FullBlocks, planned: Plan) -> None:
        self.near = NearBlocks(full, planned.order_N, planned.starts_J, planned.axes_DW, self.workers)
        self.screening = None


def screens(x_ND: Tensor, k: int) -> bool:
    """Whether a first look in bfloat16 may be worth it: where the CPU computes in it and there is enough to do."""
    return x_ND.dtype == torch.float32 and x_ND.numel() * k >= _WORTH_BF16 and cpu_has_bf16()
