"""Pins the search for the nearest rows against one plain product; by bounds: test_pruning.py."""

import pytest
import torch

from lookalike.neighbors.exact import BLOCK, nearest, own_ranks, queries_at_once
from lookalike.neighbors.topk import largest


def data(n, q, d=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator), torch.randn(q, d, generator=generator)


@pytest.mark.parametrize(("n", "k"), [(1, 5), (20, 20), (399, 20), (5000, 20), (5003, 3), (777, 90)])
def test_the_nearest_are_those_of_one_plain_product(n, k):
    bank, query = data(n, 60)
    similarity, row = nearest(bank, query, k)
    unit, asked = (torch.nn.functional.normalize(x, dim=1) for x in (bank, query))
    scores = asked @ unit.T
    assert torch.allclose(similarity, scores.topk(min(k, n), dim=1).values, atol=1e-6)
    assert torch.allclose(similarity, scores.gather(1, row), atol=1e-6)
    assert all(len(set(rows)) == min(k, n) for rows in row.tolist())


def test_nearest_gives_falling_cosines_and_their_rows():
    bank, query = data(50, 20)
    similarity, row = nearest(bank, query, 5)
    cosine = torch.nn.functional.cosine_similarity(query[:, None], bank[row], dim=2)
    assert torch.allclose(similarity, cosine, atol=1e-6)
    assert (similarity.diff(dim=1) <= 0).all()
    assert torch.equal(row[:, 0], (query @ torch.nn.functional.normalize(bank, dim=1).T).argmax(1))


@pytest.mark.parametrize(("limit", "most"), [(1, 1), (2 * 300, 2), (10 * 300, 10), (2**26, 50)])
def test_scores_held_at_once_are_limited(limit, most):
    bank, query = data(300, 50)
    whole = nearest(bank, query, 5)
    assert queries_at_once(300, 50, BLOCK, limit) == most
    value, row = nearest(bank, query, 5, scores=limit)
    assert torch.allclose(value, whole[0], atol=1e-6)
    assert torch.equal(row, whole[1])


def test_k_larger_than_the_bank_gives_all_of_it():
    bank, query = data(6, 30)
    value, row = nearest(bank, query, 20)
    assert value.shape == (30, 6)
    assert torch.equal(row.sort(1).values, torch.arange(6).expand(30, 6))


@pytest.mark.parametrize("n", [16, 39, 320, 336, 1003, 1008])
@pytest.mark.parametrize("k", [1, 3, 20])
def test_the_best_of_groups_are_the_best_of_all(n, k):
    k = min(k, n)
    score = torch.randn(50, n, generator=torch.Generator().manual_seed(n))
    score[:, -1] += 3 * (torch.arange(50) % 2)  # the best among those beside whole groups
    score[::3, : n // 2] = score[::3, n - n // 2 :]  # equal ones
    value, row = largest(score, k)
    assert torch.equal(value, score.topk(k, dim=1).values)
    assert torch.equal(score.gather(1, row), value)
    assert all(len(set(numbers)) == k for numbers in row.tolist())


def test_the_rank_of_a_views_own_row_and_ties_count_against_it():
    rows = torch.tensor([[2.0, 0.0], [0.0, 2.0], [-2.0, 0.0], [0.0, -2.0]])  # their mean is 0
    views = torch.tensor([[1.0, 0.1], [1.0, 0.2], [1.0, 0.0], [1.0, -1.0]])
    rank, cosine = own_ranks(rows, views)
    assert rank.tolist() == [1, 2, 4, 2]  # the last is as near to the first row as to its own
    wanted = torch.nn.functional.cosine_similarity(rows, views)
    assert torch.allclose(cosine, wanted)
    assert own_ranks(torch.ones(5, 3), torch.ones(5, 3))[0].tolist() == [5] * 5
