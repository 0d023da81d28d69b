"""Groups of features by either way, their agreement with labels, and groups for rows not seen before."""

import dataclasses

import pytest
import torch

from lookalike.clustering.clustering_metrics import ari, matched_accuracy, nmi, purity
from lookalike.core.errors import LookalikeError
from lookalike.evaluate.clusters import (
    GROUPING_METHODS,
    clustering_metrics,
    groups,
    kmeans_accuracy,
    kmeans_groups,
    spectral_groups,
)

EVERY_WAY = pytest.mark.parametrize("way", GROUPING_METHODS)


def separate(n: int = 90, k: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows in k groups that nobody could confuse."""
    labels = torch.arange(n) % k
    return 10 * torch.eye(8)[labels] + torch.rand(n, 8, generator=torch.Generator().manual_seed(seed)), labels


@EVERY_WAY
def test_separate_groups_are_found_whatever_their_norm(way: str):
    x, labels = separate()
    for rows in (x, x * torch.logspace(-3, 3, len(x))[:, None]):
        found, predict = groups(way, rows, 3)
        assert matched_accuracy(found, labels) == 1
        assert torch.equal(predict(rows), found)


@EVERY_WAY
def test_new_rows_are_given_the_groups_of_their_like(way: str):
    x, labels = separate()
    new, new_labels = separate(60, seed=1)
    found, predict = groups(way, x, 3)
    assert matched_accuracy(torch.cat([found, predict(new)]), torch.cat([labels, new_labels])) == 1
    assert torch.equal(predict(new[:1]), predict(new)[:1])


@EVERY_WAY
def test_groups_depend_on_nothing_but_their_seed(way: str):
    x = torch.randn(120, 8, generator=torch.Generator().manual_seed(0))
    first = groups(way, x, 7, seed=3)[0]
    torch.rand(5)
    assert torch.equal(groups(way, x, 7, seed=3)[0], first)
    assert not torch.equal(groups(way, x, 7, seed=4)[0], first)


@EVERY_WAY
def test_more_groups_than_rows_are_refused(way: str):
    with pytest.raises(LookalikeError, match="cannot make 5 (groups|clusters) of 4"):
        groups(way, torch.eye(4), 5)


def test_an_unknown_way_offers_the_nearest():
    with pytest.raises(LookalikeError, match="unknown way to cluster 'kmean': did you mean 'kmeans'"):
        groups("kmean", torch.eye(4), 2)


def test_ways_are_what_their_names_say():
    x = torch.randn(120, 8, generator=torch.Generator().manual_seed(0))
    for way, function in (("kmeans", kmeans_groups), ("spectral", spectral_groups)):
        assert torch.equal(groups(way, x, 4, seed=1)[0], function(x, 4, seed=1)[0])


def test_of_several_starts_the_best_one_is_taken():
    x = torch.nn.functional.normalize(torch.randn(300, 4, generator=torch.Generator().manual_seed(0)), dim=1)

    def inertia(restarts: int, seed: int) -> float:
        labels, _ = kmeans_groups(x, 12, seed=seed, restarts=restarts)
        return sum(float((x[labels == c] - x[labels == c].mean(0)).square().sum()) for c in range(12))

    many, single = inertia(10, 0), [inertia(1, seed) for seed in range(10)]
    assert many < sum(single) / 10
    assert many <= inertia(1, 0) + 1e-4  # the first start is one of the ten


def test_agreement_is_all_four_measures():
    a, b = torch.tensor([0, 0, 1, 2, 2, 2]), torch.tensor([0, 0, 1, 1, 2, 0])
    assert dataclasses.asdict(clustering_metrics(a, b)) == {
        "accuracy": matched_accuracy(a, b),
        "nmi": nmi(a, b),
        "ari": ari(a, b),
        "purity": purity(a, b),
    }
    assert clustering_metrics(a, b).accuracy == pytest.approx(4 / 6)
    assert clustering_metrics(a, torch.tensor([0, 0, 1, 1, 1, 0])).purity == pytest.approx(5 / 6)


def test_groups_that_are_the_classes_agree_by_1():
    y = torch.tensor([2, 2, 0, 1, 1])
    assert set(dataclasses.astuple(clustering_metrics((y + 1) % 3, y))) == {1.0}


def test_kmeans_accuracy_is_that_of_all_rows():
    x, labels = separate()
    assert kmeans_accuracy(x, labels, k=3) == 1.0


def test_kmeans_on_noise_is_near_chance():
    x = torch.randn(600, 8, generator=torch.Generator().manual_seed(0))
    assert 0.33 < kmeans_accuracy(x, torch.arange(600) % 3, k=3) < 0.42
