"""Pins the matching of clusters to labels against brute force and the unit facts of methods.md, E 18."""

from itertools import permutations

import numpy as np
import pytest
import torch

from lookalike.evaluate.clusters import kmeans_accuracy, matched_accuracy


def brute_force(clusters, labels):
    """The best share over all ways to give each cluster a label of its own (or none)."""
    size = int(max(clusters.max(), labels.max())) + 1
    return max(float(np.mean(np.array(names)[clusters] == labels)) for names in permutations(range(size)))


@pytest.mark.parametrize("k", [2, 4, 6])
@pytest.mark.parametrize("classes", [2, 4, 6])
def test_matching_agrees_with_brute_force(k, classes):
    rng = np.random.default_rng(10 * k + classes)
    for n in (5, 20, 60):
        clusters, labels = rng.integers(0, k, n), rng.integers(0, classes, n)
        assert matched_accuracy(clusters, labels) == pytest.approx(brute_force(clusters, labels))


@pytest.mark.parametrize(
    ("clusters", "labels", "accuracy"),
    [
        ([0, 0, 1, 1], [0, 1, 0, 1], 0.5),
        ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2], 4 / 6),
        ([0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 1], 4 / 6),
        ([0, 0, 1, 2], [0, 0, 1, 1], 0.75),
        ([2, 2, 0, 0, 1], [0, 0, 1, 1, 2], 1.0),
        ([0, 0, 0, 0], [0, 1, 2, 3], 0.25),
        ([3, 3, 3, 3], [0, 0, 0, 0], 1.0),
    ],
)
def test_known_values(clusters, labels, accuracy):
    assert matched_accuracy(np.array(clusters), np.array(labels)) == pytest.approx(accuracy)


def test_greedy_matching_would_be_worse():
    table = [[5, 4], [4, 0]]  # greedy takes the 5 and is left with 0; the best is 4 + 4
    pairs = [(c, y) for c in range(2) for y in range(2) for _ in range(table[c][y])]
    assert matched_accuracy(*np.array(pairs).T) == pytest.approx(8 / 13)


def test_kmeans_finds_separate_groups_whatever_their_norm():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(90) % 3
    x = 10 * torch.eye(3)[labels] + torch.rand(90, 3, generator=generator)
    assert kmeans_accuracy(x, labels, k=3) == 1.0
    assert kmeans_accuracy(x * torch.logspace(-3, 3, 90)[:, None], labels, k=3) == 1.0


def test_kmeans_on_noise_is_near_chance():
    x = torch.randn(600, 8, generator=torch.Generator().manual_seed(0))
    assert 0.33 < kmeans_accuracy(x, torch.arange(600) % 3, k=3) < 0.42


def test_kmeans_depends_on_nothing_but_its_seed():
    x, labels = torch.randn(100, 8, generator=torch.Generator().manual_seed(0)), torch.arange(100) % 7
    first = kmeans_accuracy(x, labels, k=7, seed=3, restarts=1)
    assert kmeans_accuracy(x, labels, k=7, seed=3, restarts=1) == first
