"""Spectral grouping follows shapes that k-means cuts through, and gives new rows the groups of old ones."""

import math

import pytest
import torch
import torch.nn.functional as F

from lookalike.clustering.clustering_metrics import matched_accuracy
from lookalike.clustering.lloyd import lloyd
from lookalike.clustering.spectral import spectral
from lookalike.core.errors import LookalikeError


def lifted(x_N2: torch.Tensor) -> torch.Tensor:
    """Points of a plane as directions: features are compared by angle, and a plane at height 2 keeps its shapes."""
    return F.normalize(torch.cat([x_N2, torch.full((len(x_N2), 1), 2.0)], 1), dim=1)


def moons(n: int = 600, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Two half circles that reach into each other."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    angle = math.pi * torch.rand(n, generator=generator)
    x = torch.stack([angle.cos(), angle.sin()], 1)
    x[labels == 1] = torch.tensor([1.0, 0.5]) - x[labels == 1]
    return lifted(x + 0.05 * torch.randn(n, 2, generator=generator) - torch.tensor([0.5, 0.25])), labels


def rings(n: int = 600, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A ring around a ring."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    angle = 2 * math.pi * torch.rand(n, generator=generator)
    radius = torch.where(labels == 0, 0.4, 1.2)[:, None]
    x = radius * torch.stack([angle.cos(), angle.sin()], 1)
    return lifted(x + 0.05 * torch.randn(n, 2, generator=generator)), labels


def blobs(n: int = 300, k: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Round groups far from each other."""
    labels = torch.arange(n) % k
    return 5 * torch.eye(8)[labels] + 0.5 * torch.randn(n, 8, generator=torch.Generator().manual_seed(seed)), labels


@pytest.mark.parametrize("shape", [moons, rings])
def test_shapes_that_k_means_cuts_through(shape):
    x, labels = shape()
    assert matched_accuracy(spectral(x, 2).labels_N, labels) > 0.98
    best = min((lloyd(x, 2, seed=seed, max_iter=100) for seed in range(10)), key=lambda run: run.inertia)
    assert matched_accuracy(best.labels_N, labels) < 0.9


@pytest.mark.parametrize("shape", [moons, rings])
def test_new_rows_of_a_shape_join_its_group(shape):
    x, labels = shape()
    new, new_labels = shape(seed=1)
    found = spectral(x, 2)
    together = torch.cat([found.labels_N, found.predict(new)])
    assert matched_accuracy(together, torch.cat([labels, new_labels])) > 0.97


def test_round_groups_are_found_too():
    x, labels = blobs()
    found = spectral(x, 3)
    assert matched_accuracy(found.labels_N, labels) == 1
    assert found.labels_N.dtype == torch.int64
    assert sorted(found.labels_N.unique().tolist()) == [0, 1, 2]


@pytest.mark.parametrize("shape", [moons, blobs])
def test_predicting_the_rows_it_was_fitted_on_gives_their_labels(shape):
    x, _ = shape()
    found = spectral(x, 3)
    assert torch.equal(found.predict(x), found.labels_N)


def test_the_norm_of_a_row_does_not_matter():
    x, _ = moons()
    scale = torch.logspace(-2, 2, len(x))[:, None]
    found, scaled = spectral(x, 2), spectral(x * scale, 2)
    assert matched_accuracy(found.labels_N, scaled.labels_N) > 0.99
    assert torch.equal(found.predict(x), found.predict(4.0 * x))


def test_it_is_a_function_of_its_seed():
    x, _ = moons()
    one, two, other = spectral(x, 5, seed=3), spectral(x, 5, seed=3), spectral(x, 5, seed=4)
    assert torch.equal(one.labels_N, two.labels_N)
    assert torch.equal(one.landmarks_MD, two.landmarks_MD)
    assert not torch.equal(one.landmarks_MD, other.landmarks_MD)


def test_landmarks_are_few_for_few_rows_and_bounded_for_many():
    x, _ = moons(400)
    assert len(spectral(x, 2).landmarks_MD) == 100
    assert len(spectral(x, 2, landmarks=30).landmarks_MD) == 30
    assert len(spectral(x[:20], 7).landmarks_MD) == 7


@pytest.mark.parametrize("k", [-1, 0, 1, 41])
def test_numbers_of_groups_that_cannot_be_are_refused(k: int):
    x, _ = blobs(40)
    with pytest.raises(LookalikeError, match=f"cannot make {k} groups? of 40 images"):
        spectral(x, k)


@pytest.mark.parametrize("k", [2, 40])
def test_the_extreme_numbers_of_groups_can_be_made(k: int):
    x, _ = blobs(40)
    labels = spectral(x, k).labels_N
    assert labels.shape == (40,)
    assert 0 <= labels.min() <= labels.max() < k


def test_features_that_are_not_finite_are_refused():
    x, _ = blobs(40)
    x[3, 2] = torch.nan
    with pytest.raises(LookalikeError, match="NaN or infinite"):
        spectral(x, 2)


def test_copies_of_a_row_are_in_its_group():
    x, _ = blobs(9)
    labels = spectral(x.repeat(20, 1), 3).labels_N
    assert torch.equal(labels, labels[:9].repeat(20))
    assert len(labels.unique()) == 3


def test_rows_of_zeros_do_no_harm():
    x, labels = blobs(300)
    x[:3] = 0
    found = spectral(x, 3)
    assert matched_accuracy(found.labels_N[3:], labels[3:]) == 1
