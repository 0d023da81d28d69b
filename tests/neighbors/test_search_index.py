"""Exact search: against the full matrix, over blocks, with ties, and on rows that cannot be searched."""

from pathlib import Path

import numpy as np
import pytest

from lookalike.core.errors import LookalikeError
from lookalike.neighbors.index import Index


def oracle(rows: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The same from the full matrix in float64."""

    def unit(x: np.ndarray) -> np.ndarray:
        length = np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
        return np.where(length > 0, x / np.maximum(length, 1e-300), 0)

    cosine = unit(queries) @ unit(rows).T
    order = np.lexsort((np.broadcast_to(np.arange(len(rows)), cosine.shape), -cosine), axis=1)[:, :k]
    return order, np.take_along_axis(cosine, order, 1)


@pytest.mark.parametrize("bytes_of_a_block", [1, 4096, 8 << 20])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_equals_the_full_matrix(bytes_of_a_block: int, dtype: type):
    generator = np.random.default_rng(0)
    rows = (generator.normal(size=(300, 7)) * generator.uniform(0.1, 50, (300, 1))).astype(dtype)
    queries = generator.normal(size=(8, 7)).astype(dtype)
    found, cosine = Index(rows, block_bytes=bytes_of_a_block, queries=3).nearest(queries, 20)
    expected, values = oracle(rows, queries, 20)
    assert found.dtype == np.int64 and cosine.dtype == np.float32
    assert np.allclose(cosine, values, atol=2e-6)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("bytes_of_a_block", [1, 64, 8 << 20])
def test_equally_near_rows_come_by_number(bytes_of_a_block: int):
    rows = np.tile(np.array([[1, 0], [0, 1]], np.float32), (10, 1))
    found, cosine = Index(rows, block_bytes=bytes_of_a_block).nearest(np.array([[2, 0]], np.float32), 12)
    assert found[0].tolist() == [*range(0, 20, 2), 1, 3]
    assert cosine[0].tolist() == [1] * 10 + [0, 0]


def test_a_mapped_file_is_not_read_into_memory(tmp_path: Path):
    rows = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    index = Index(mapped)
    assert index.rows_ND is mapped
    assert np.array_equal(index.nearest(rows, 1)[0][:, 0], np.arange(50))


def test_rows_of_zeros_and_huge_rows():
    rows = np.array([[0, 0], [1e30, 1e30], [1e-30, 0], [3, 4]], np.float32)
    found, cosine = Index(rows).nearest(np.array([[1, 1], [0, 0]], np.float32), 4)
    assert found[0, 0] == 1 and cosine[0, 0] == pytest.approx(1)
    assert np.isfinite(cosine).all()
    assert cosine[1].tolist() == [0, 0, 0, 0]


def test_more_is_asked_for_than_there_is_and_nothing_is_asked():
    index = Index(np.eye(3, dtype=np.float32))
    assert index.nearest(np.ones((2, 3), np.float32), 9)[0].shape == (2, 3)
    assert index.nearest(np.ones((0, 3), np.float32), 2)[0].shape == (0, 2)


@pytest.mark.parametrize(
    ("rows", "query", "k", "message"),
    [
        (np.ones((3, 2), np.int64), None, 1, "a matrix of floats"),
        (np.ones(3), None, 1, "a matrix of floats"),
        (np.array([[1.0, np.nan]]), None, 1, "not finite"),
        (np.ones((3, 2)), np.ones((1, 3)), 1, "do not go with features of 2 columns"),
        (np.ones((3, 2)), np.full((1, 2), np.inf), 1, "query are not finite"),
        (np.ones((3, 2)), np.ones((1, 2)), 0, "at least 1 image"),
    ],
)
def test_what_cannot_be_searched(rows: np.ndarray, query: np.ndarray | None, k: int, message: str):
    with pytest.raises(LookalikeError, match=message):
        Index(rows).nearest(np.ones((1, 2)) if query is None else query, k)
