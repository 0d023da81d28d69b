"""Agreement of groupings: published and hand-counted values, the corners, and what must not matter."""

import numpy as np
import pytest
import torch
from sklearn import metrics

from lookalike.clustering.clustering_metrics import ari, contingency, matched_accuracy, nmi, purity
from lookalike.core.errors import LookalikeError

MEASURES = [nmi, ari, matched_accuracy, purity]


def groupings(n: int = 300, a: int = 5, b: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two groupings of n images that agree in part."""
    random = np.random.default_rng(seed)
    first = random.integers(0, a, n)
    return first, np.where(random.random(n) < 0.5, first, random.integers(0, b, n))


@pytest.mark.parametrize(
    ("a", "b", "arithmetic", "geometric", "rand", "accuracy"),
    [
        ([0, 0, 1, 2], [0, 0, 1, 1], 0.8, 0.8164966, 0.5714286, 3 / 4),
        ([0, 0, 1, 1], [0, 1, 0, 1], 0.0, 0.0, -0.5, 2 / 4),
        ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2], 0.5158037, 0.5295406, 0.2424242, 4 / 6),
        ([7, 7, 7, 7], [0, 1, 2, 3], 0.0, 0.0, 0.0, 1 / 4),
    ],
)
def test_by_hand(a, b, arithmetic, geometric, rand, accuracy):
    for first, second in ((a, b), (b, a)):
        assert nmi(first, second) == pytest.approx(arithmetic, abs=1e-7)
        assert nmi(first, second, "geometric") == pytest.approx(geometric, abs=1e-7)
        assert ari(first, second) == pytest.approx(rand, abs=1e-7)
        assert matched_accuracy(first, second) == accuracy


def test_nothing_in_common_is_zero_exactly():
    a, b = np.arange(35) % 5, np.arange(35) % 7
    assert nmi(a, b) == nmi([3] * 9, range(9)) == nmi([3] * 9, range(9), "geometric") == ari([3] * 9, range(9)) == 0


def test_purity_counts_the_commonest_class_of_each_cluster():
    coarse, fine = [0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2]
    assert purity(fine, coarse) == 5 / 6  # clusters of two: pure, mixed, pure
    assert purity(coarse, fine) == 4 / 6
    assert purity(range(6), coarse) == 1  # clusters of one are pure


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    "labels", [[0, 0, 1, 2, 2, 2], [4], [1, 1, 1], [0, 1, 2, 3], list(groupings(1000, 97)[0])], ids=len
)
def test_equal_up_to_renaming_is_one_exactly(measure, labels):
    renamed = [1000 - 7 * int(label) for label in labels]
    assert measure(labels, renamed) == 1
    assert type(measure(labels, renamed)) is float


@pytest.mark.parametrize("seed", range(5))
def test_the_same_as_scikit_learn(seed):
    a, b = groupings(seed=seed)
    assert nmi(a, b) == pytest.approx(metrics.normalized_mutual_info_score(a, b), abs=1e-12)
    geometric = metrics.normalized_mutual_info_score(a, b, average_method="geometric")
    assert nmi(a, b, "geometric") == pytest.approx(geometric, abs=1e-12)
    assert ari(a, b) == pytest.approx(metrics.adjusted_rand_score(a, b), abs=1e-12)
    assert (contingency(a, b) == metrics.cluster.contingency_matrix(a, b)).all()


def test_numbers_of_pairs_beyond_64_bits():
    a, b = groupings(200_000, 2, 3)
    assert ari(a, b) == pytest.approx(metrics.adjusted_rand_score(a, b), abs=1e-12)


def test_thousands_of_groups_on_both_sides():
    a = np.arange(200_000) % 20_011  # a table of all pairs would hold 4e8 numbers
    b = np.arange(200_000) % 20_021
    assert 0 < nmi(a, b) < 1
    assert -0.01 < ari(a, b) < 0.01


@pytest.mark.parametrize("measure", MEASURES)
def test_names_of_groups_and_order_of_images_do_not_matter(measure):
    a, b = groupings()
    random = np.random.default_rng(1)
    expected = measure(a, b)
    assert 0 < expected < 1
    order = random.permutation(len(a))
    assert measure(a[order], b[order]) == pytest.approx(expected, abs=1e-12)
    assert measure(random.permutation(5)[a] - 3, random.permutation(8)[b] * 10) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("measure", [nmi, ari, matched_accuracy])
def test_both_sides_are_alike(measure):
    a, b = groupings()
    assert measure(a, b) == pytest.approx(measure(b, a), abs=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_tensors_arrays_and_lists(measure):
    a, b = groupings()
    assert measure(torch.from_numpy(a), b.tolist()) == measure(a.astype(np.uint8), torch.from_numpy(b).int())


def test_the_matching_is_the_best_and_not_the_greedy_one():
    a, b = (np.repeat(groups, [10, 9, 9, 1]) for groups in ([0, 0, 1, 1], [0, 1, 0, 1]))
    assert contingency(a, b).tolist() == [[10, 9], [9, 1]]
    assert matched_accuracy(a, b) == 18 / 29  # taking the largest first ends at 10 + 1


def test_groups_left_over_match_nothing():
    assert matched_accuracy([0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 1, 1]) == 4 / 6
    assert matched_accuracy([0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 2, 2]) == 4 / 6


@pytest.mark.parametrize("measure", [contingency, *MEASURES])
@pytest.mark.parametrize(
    ("a", "b"), [([0, 1], [0, 1, 2]), ([], []), ([[0, 1]], [[0, 1]])], ids=["lengths", "empty", "matrix"]
)
def test_groupings_of_different_images_are_refused(measure, a, b):
    with pytest.raises(LookalikeError, match="two vectors of equal length"):
        measure(a, b)
