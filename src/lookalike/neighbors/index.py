"""The nearest rows of an index to new rows: exact, by cosine, in blocks, in NumPy alone.

The index is the file of features itself, mapped and not copied: a query is one pass over it, which the speed of
memory bounds. What is kept beside it is one number a row, the inverse of its length. Axes: N rows, Q queries, D
features.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lookalike.core.errors import LookalikeError
from lookalike.core.machine import cores
from lookalike.core.process import single_threaded_blas
from lookalike.core.progress import phase
from lookalike.core.words import counted

BLOCK_BYTES = 8 << 20
"""Of similarities, and of rows, held at once by a thread."""
QUERIES = 512
"""Compared at once."""
_LEAST = 1e-12  # length below which a row has no direction


class Index:
    """Rows to search among.

    Attributes:
        rows_ND: the floating features, as they were given.
        inverse_N: float32, the inverse of each row's length; 0 for a row of zeros, which is like nothing.
    """

    def __init__(self, rows_ND: np.ndarray, *, block_bytes: int = BLOCK_BYTES, queries: int = QUERIES) -> None:
        """Measure the rows once.

        Args:
            rows_ND: floating [N, D], in memory or mapped.
            block_bytes: of similarities, and of rows, that a thread holds at once.
            queries: compared at once.

        Raises:
            LookalikeError: no matrix, or values that are not finite.
        """
        if rows_ND.ndim != 2 or rows_ND.dtype.kind != "f" or rows_ND.shape[1] == 0:
            raise LookalikeError(f"features are a matrix of floats, got {rows_ND.dtype} {list(rows_ND.shape)}")
        self.rows_ND = rows_ND
        self._block_bytes, self._queries = block_bytes, queries
        self.inverse_N = np.empty(len(rows_ND), np.float32)
        for block in self._blocks(1):
            self.inverse_N[block] = _inverse_lengths(self._block(block))
        if np.isnan(self.inverse_N).any():
            raise LookalikeError("the features to search among are not finite: train that run again")

    def __len__(self) -> int:
        return len(self.rows_ND)

    def nearest(self, query_QD: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest rows of each query, the nearest first, equally near ones by number.

        Args:
            query_QD: floating, finite.
            k: rows for a query; at most N are given.

        Returns:
            Rows (int64 [Q, k]) and cosines (float32 [Q, k], in [-1, 1]).

        Raises:
            LookalikeError: queries of another width, or not finite; k below 1.
        """
        if query_QD.ndim != 2 or query_QD.shape[1] != self.rows_ND.shape[1]:
            raise LookalikeError(
                f"queries of shape {list(query_QD.shape)} do not go with features of "
                f"{counted(self.rows_ND.shape[1], 'column')}"
            )
        if k < 1:
            raise LookalikeError(f"at least 1 image must be asked for, got {k}")
        query = query_QD.astype(np.float32)
        query *= _inverse_lengths(query)[:, None]
        if not np.isfinite(query).all():
            raise LookalikeError("the features of a query are not finite")
        k = min(k, len(self))
        parts = [self._nearest(query[at : at + self._queries], k) for at in range(0, len(query), self._queries)]
        row_QK = np.concatenate([np.empty((0, k), np.int64), *(row for row, _ in parts)])
        cosine_QK = np.concatenate([np.empty((0, k), np.float32), *(cosine for _, cosine in parts)])
        return row_QK, cosine_QK.clip(-1, 1)

    def _nearest(self, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """`nearest` of some queries of length 1."""
        q = len(query)
        row_QK, cosine_QK = np.empty((q, 0), np.int64), np.empty((q, 0), np.float32)

        def best(block: slice) -> tuple[np.ndarray, np.ndarray]:
            similarity = self._block(block) @ query.T
            similarity *= self.inverse_N[block, None]
            row, cosine = _best(np.ascontiguousarray(similarity.T), k)
            return row + block.start, cosine

        # a thread a block, each with a BLAS of one: the threads of a BLAS wait for each other in every product, which
        # on a busy machine took eight times as long as the product of one query
        blocks = self._blocks(q)
        with (
            single_threaded_blas(),
            ThreadPoolExecutor(cores()) as threads,
            phase("searching, blocks of images", len(blocks)) as p,
        ):
            for row, cosine in p.over(threads.map(best, blocks)):
                row_QK, cosine_QK = _merged(row_QK, cosine_QK, row, cosine, k)
        return row_QK, cosine_QK

    def _blocks(self, queries: int) -> list[slice]:
        size = max(1, self._block_bytes // (4 * max(queries, self.rows_ND.shape[1])))
        return [slice(start, min(start + size, len(self))) for start in range(0, len(self), size)]

    def _block(self, block: slice) -> np.ndarray:
        return np.asarray(self.rows_ND[block], np.float32)


def _inverse_lengths(x_ND: np.ndarray) -> np.ndarray:
    """float32 [N]; NaN where a row is not finite."""
    squares = np.einsum("nd,nd->n", x_ND, x_ND, dtype=np.float64)
    length = np.sqrt(squares)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(length > _LEAST, 1 / length, 0.0)
    inverse[~np.isfinite(squares)] = np.nan
    return inverse.astype(np.float32)


def _best(value_QN: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and values of the k largest of each row; of equal values the first columns."""
    n = value_QN.shape[1]
    k = min(k, n)
    column_QK = np.empty((len(value_QN), k), np.int64)
    for q, value in enumerate(value_QN):
        if k < n:  # the k-th largest value may occur more often than there is room for: the first of them stay
            least = np.partition(value, n - k)[n - k]
            above, equal = np.flatnonzero(value > least), np.flatnonzero(value == least)
            column = np.concatenate([above, equal[: k - len(above)]])
        else:
            column = np.arange(n)
        column_QK[q] = column[np.lexsort((column, -value[column]))]
    return column_QK, np.take_along_axis(value_QN, column_QK, 1)


def _merged(
    row_QK: np.ndarray, cosine_QK: np.ndarray, row_QJ: np.ndarray, cosine_QJ: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k best of two lists; the rows of the second come after those of the first."""
    row, cosine = np.concatenate([row_QK, row_QJ], 1), np.concatenate([cosine_QK, cosine_QJ], 1)
    order = np.lexsort((row, -cosine), axis=1)[:, :k]
    return np.take_along_axis(row, order, 1), np.take_along_axis(cosine, order, 1)
