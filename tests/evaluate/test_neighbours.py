"""The share of the nearest that are of the same class."""

import numpy as np
import pytest
import torch

from lookalike.evaluate.knn import knn_accuracy
from lookalike.evaluate.neighbours import accuracy_and_same_class, other_neighbours, shared_neighbours
from lookalike.neighbors.numpy_backend import nearest_rows, unit_rows


def same_class_rate(*known: torch.Tensor, k: int = 20) -> float:
    return accuracy_and_same_class(*known, k)[1]


def test_a_rate_counted_by_hand():
    bank = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [-1.0, 0.0]])
    labels = torch.tensor([0, 1, 1, 0])
    queries, asked = torch.tensor([[2.0, 0.05], [0.0, 3.0]]), torch.tensor([0, 1])
    assert same_class_rate(bank, labels, queries, asked, k=1) == 1.0
    assert same_class_rate(bank, labels, queries, asked, k=2) == 0.75  # 1 of 2, and 2 of 2
    assert same_class_rate(bank, labels, queries, asked, k=4) == 0.5


def test_without_classes_in_the_features_it_is_chance():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(4000, 16, generator=generator), torch.randint(5, (4000,), generator=generator)
    assert abs(same_class_rate(x[:3000], y[:3000], x[3000:], y[3000:]) - 0.2) < 0.01


def test_the_accuracy_beside_the_rate_is_that_of_knn():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(600, 4, generator=generator), torch.randint(3, (600,), generator=generator)
    x[:, 0] += 2 * y
    known = x[:500], y[:500], x[500:], y[500:]
    assert accuracy_and_same_class(*known)[0] == knn_accuracy(*known)


@pytest.mark.parametrize(("n", "k"), [(2, 1), (50, 49), (50, 60), (1500, 90), (1501, 7)])
def test_nearest_rows_are_those_of_a_full_sort(n, k):
    x = np.random.default_rng(n).normal(size=(n, 6)).astype(np.float32)
    x[n // 2] = x[0]  # equally near to all others
    rows, cosines = nearest_rows(x, k)
    unit = unit_rows(x)
    scores = unit @ unit.T
    np.fill_diagonal(scores, -np.inf)
    wanted = min(k, n - 1)
    assert rows.shape == cosines.shape == (n, wanted)
    assert np.allclose(cosines, -np.sort(-scores, axis=1)[:, :wanted], atol=1e-6)
    assert np.allclose(cosines, np.take_along_axis(scores, rows, 1), atol=1e-6)
    assert all(len({*row, i}) == wanted + 1 for i, row in enumerate(rows.tolist()))


def test_other_neighbours_leave_the_row_itself_out_also_among_equal_ones():
    x = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    expected = nearest_rows((x - x.mean(0)).numpy(), 5)[0]
    assert shared_neighbours(other_neighbours(x, 5), torch.from_numpy(expected)) == 1.0
    x[10] = x[11] = x[12] = x[13]
    near = other_neighbours(x, 5)
    assert near.shape == (50, 5)
    assert not (near == torch.arange(50)[:, None]).any()
    for row in (10, 11, 12, 13):
        assert set(near[row, :3].tolist()) == {10, 11, 12, 13} - {row}
    assert other_neighbours(torch.ones(30, 4), 5).shape == (30, 5)
    assert other_neighbours(x[:3], 10).shape == (3, 2)


def test_shared_neighbours_counted_by_hand():
    assert shared_neighbours(torch.tensor([[1, 2], [0, 3]]), torch.tensor([[2, 5], [3, 0]])) == 0.75
    assert shared_neighbours(other_neighbours(torch.ones(1, 4)), torch.empty(1, 0, dtype=torch.int64)) is None
