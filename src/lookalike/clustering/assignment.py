"""What is known of rows between two labellings: labels, bounds of distances, and what is still undecided.

Axes: N rows, K centroids, D features, P pairs of a row and a candidate.
"""

from __future__ import annotations

import math
import threading

import torch
from torch import Tensor

from lookalike.clustering.exact import nearest_of_pairs
from lookalike.core.workers import Workers

_PAIRS_AT_ONCE = 1 << 14  # pairs of a block, beyond which its undecided rows do not wait for others
_TIES_TOGETHER = 32  # blocks whose undecided rows are decided together


class Assignment:
    """Labels of N rows (on the CPU) with bounds of distances, which are of the rows' type.

    Attributes:
        labels_N: int64: the nearest centroid; of undecided rows one that may be it.
        upper_N: at least the distance to that centroid.
        lower_N: at most the distance to every other centroid; -inf where nothing is known.
        drift_K: how far the labels' centroids have moved since, and the farthest; empty where none has.
        few: some roundings, relative.
    """

    def __init__(self, x_ND: Tensor) -> None:
        """Nothing is known yet."""
        n = len(x_ND)
        self.labels_N = torch.zeros(n, dtype=torch.int64)
        self.upper_N, self.lower_N = x_ND.new_full((n,), math.inf), x_ND.new_full((n,), -math.inf)
        self.drift_K = x_ND.new_empty(0)
        self.few = 8 * float(torch.finfo(x_ND.dtype).eps)
        self._ties: list[tuple[Tensor, Tensor]] = []
        self.limit(math.inf)

    def forget_distances(self) -> None:
        """Keep the labels and nothing else, so that every row is looked at."""
        self.upper_N.fill_(math.inf)
        self.forget_others()

    def forget_others(self) -> None:
        """Know nothing of any other centroid, so that every row is looked at."""
        self.lower_N.fill_(-math.inf)

    def move(self, before_KD: Tensor, now_KD: Tensor, first_K: Tensor | None) -> None:
        """Say where the centroids of the labels are now; each block loosens its bounds by that when it is its turn.

        Args:
            before_KD: where they were.
            now_KD: where they are.
            first_K: `first_equal` of those now, whose labels then stand for all equal ones.
        """
        drift_K = (now_KD.double() - before_KD.double()).square_().sum(1).sqrt_() * (1 + self.few)
        self.drift_K = torch.cat([drift_K, drift_K.max()[None]]).to(self.upper_N.dtype) * (1 + self.few)
        if first_K is not None:
            self.upper_N += self.drift_K[self.labels_N]  # of the label that they had
            self.drift_K[:-1] = 0
            self.labels_N = first_K[self.labels_N]

    def limit(self, pairs: float) -> None:
        """Begin a labelling in which at most so many pairs of undecided rows and candidates are remembered."""
        self._most_pairs, self._pairs = pairs, 0

    @property
    def too_many(self) -> bool:
        """Whether there were more: undecided rows have the label of a candidate, and `settle` does nothing."""
        return self._pairs > self._most_pairs

    def undecided(self, row_P: Tensor, candidate_P: Tensor, x_ND: Tensor, c_KD: Tensor) -> None:
        """Leave a block's rows to `settle`, or decide them now where remembering the pairs would take much memory.

        Args:
            row_P: rows (int64), those of a row one after the other,
            candidate_P: and each of their candidates.
            x_ND, c_KD: rows and centroids as they were given.
        """
        if not len(row_P):
            return
        self._pairs += len(row_P)
        if self.too_many:
            self._ties.clear()  # it is `settle` that then forgets the bounds
        elif len(row_P) > _PAIRS_AT_ONCE and self._most_pairs == math.inf:
            self._decide(row_P, candidate_P, x_ND, c_KD)
        else:
            self._ties.append((row_P, candidate_P))

    def settle(self, x_ND: Tensor, c_KD: Tensor, workers: Workers) -> None:
        """End a labelling: decide the rows that scores left undecided, by distances to their candidates."""
        ties, self._ties = self._ties, []
        self.drift_K = self.drift_K[:0]
        if self.too_many:
            self.forget_others()  # as candidates were not counted among them

        def settle(batches: slice) -> None:
            for batch in range(batches.start, batches.stop):
                some = ties[batch * _TIES_TOGETHER : (batch + 1) * _TIES_TOGETHER]
                row_P, candidate_P = (torch.cat([tie[i] for tie in some]) for i in range(2))
                self._decide(row_P, candidate_P, x_ND, c_KD)

        workers.for_blocks(settle, math.ceil(len(ties) / _TIES_TOGETHER), 1)

    def _decide(self, row_P: Tensor, candidate_P: Tensor, x_ND: Tensor, c_KD: Tensor) -> None:
        row_U, of_P = torch.unique_consecutive(row_P, return_inverse=True)
        near = nearest_of_pairs(x_ND.index_select(0, row_U), c_KD, of_P, candidate_P)
        few = self.few * (x_ND.shape[1] + 4)
        self.labels_N[row_U] = near.labels_U
        self.upper_N[row_U] = near.least_U.sqrt() * (1 + few)
        self.lower_N[row_U] = torch.minimum(self.lower_N[row_U], near.next_U.sqrt() * (1 - few))


class Scratch(threading.local):
    """Memory of a thread that is used again by every block: taking it anew costs a page fault each 4 kB."""

    def __init__(self) -> None:
        self._buffer: Tensor | None = None

    def take(self, size: int, like: Tensor) -> Tensor:
        """So many numbers of the type of `like`, which is the same each time, with whatever they hold."""
        if self._buffer is None or self._buffer.numel() < size:
            self._buffer = like.new_empty(size)
        return self._buffer
