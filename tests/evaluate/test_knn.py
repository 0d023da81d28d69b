"""Pins the weighted nearest-neighbour vote against a loop and the unit facts of methods.md, E 19."""

import math

import pytest
import torch

from lookalike.evaluate.knn import K, knn_accuracy, knn_predict, vote
from lookalike.neighbors.exact import nearest


def data(n, q, d=8, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    bank, query = torch.randn(n, d, generator=generator), torch.randn(q, d, generator=generator)
    return bank, torch.randint(classes, (n,), generator=generator), query


def loop(bank, labels, query, k, temperature):
    """The vote as the paper writes it, one query at a time, in plain Python."""
    predicted = []
    for row in query.double():
        cosines = [float(row @ b / (row.norm() * b.norm())) for b in bank.double()]
        votes = [0.0] * (int(labels.max()) + 1)
        for i in sorted(range(len(bank)), key=lambda i: -cosines[i])[:k]:
            votes[labels[i]] += math.exp(cosines[i] / temperature)
        predicted.append(votes.index(max(votes)))
    return predicted


@pytest.mark.parametrize("k", [1, 5, 20])
@pytest.mark.parametrize("temperature", [0.05, 0.1, 10.0])
def test_agrees_with_a_loop(k, temperature):
    bank, labels, query = data(60, 40)
    assert knn_predict(bank, labels, query, k, temperature).tolist() == loop(bank, labels, query, k, temperature)


def test_a_close_neighbour_outvotes_two_far_ones():
    bank, labels = torch.tensor([[1.0, 0.0], [0.7, 0.7], [0.7, -0.7]]), torch.tensor([0, 1, 1])
    query = torch.tensor([[1.0, 0.0]])
    assert knn_predict(bank, labels, query, k=3, temperature=0.1).tolist() == [0]
    assert knn_predict(bank, labels, query, k=3, temperature=100.0).tolist() == [1]


def test_the_bank_itself_with_k_1_gives_its_own_labels():
    bank, labels, _ = data(500, 0)
    assert knn_accuracy(bank, labels, bank, labels, k=1) == 1.0


def test_scale_of_features_does_not_matter():
    bank, labels, query = data(200, 100)
    predicted = knn_predict(bank, labels, query)
    assert torch.equal(knn_predict(bank * 1024, labels, query / 1024), predicted)
    assert torch.equal(knn_predict(bank * torch.arange(1, 201)[:, None], labels, query), predicted)


def test_random_labels_give_chance():
    bank, labels, query = data(2000, 4000)
    truth = torch.randint(4, (4000,), generator=torch.Generator().manual_seed(1))
    assert abs(knn_accuracy(bank, labels, query, truth) - 0.25) < 0.03


def test_separate_classes_are_told_apart():
    bank, labels, query = data(200, 100)
    centre = 20 * torch.eye(8)[:4]
    truth = torch.arange(100) % 4
    assert knn_accuracy(bank + centre[labels], labels, query + centre[truth], truth) == 1.0


def test_blocks_do_not_matter():
    bank, labels, query = data(100, 50)
    whole = knn_predict(bank, labels, query)
    for block in (1, 7, 49, 50):
        assert torch.equal(vote(nearest(bank, query, K, block=block), labels), whole)


def test_k_larger_than_the_bank_uses_all_of_it():
    bank, labels, query = data(6, 30)
    assert torch.equal(knn_predict(bank, labels, query, k=20), knn_predict(bank, labels, query, k=6))


def test_low_temperature_does_not_overflow():
    bank, labels, query = data(100, 50)
    assert torch.equal(
        knn_predict(bank, labels, query, temperature=1e-4), knn_predict(bank, labels, query, k=1, temperature=1.0)
    )
