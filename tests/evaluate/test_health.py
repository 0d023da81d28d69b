"""Pins the label-free measures on spectra and features whose values are known."""

import math

import pytest
import torch

from lookalike.evaluate.health import effective_rank, measure, without_copy


def features(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def with_spectrum(values, n=64, d=16):
    """Rows of mean zero whose singular values are `values`."""
    left = features(n, len(values)).double()
    left = torch.linalg.qr(left - left.mean(0)).Q
    right = torch.linalg.qr(features(d, len(values), seed=1).double()).Q
    return left @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ right.T


@pytest.mark.parametrize("k", [1, 2, 7, 16])
def test_k_equal_singular_values_have_effective_rank_k(k):
    assert effective_rank(with_spectrum([3.0] * k)) == pytest.approx(k, rel=1e-9)


def test_effective_rank_of_a_known_spectrum():
    assert effective_rank(with_spectrum([2.0, 1.0, 1.0])) == pytest.approx(2**1.5)  # entropy of 1/2, 1/4, 1/4


@pytest.mark.parametrize(("n", "d"), [(300, 40), (40, 300), (64, 64)])
def test_effective_rank_is_that_of_the_singular_values(n, d):
    x = features(n, d) * torch.logspace(0, -4, d) + 3
    values = torch.linalg.svdvals(x.double() - x.double().mean(0))
    p = values / values.sum()
    assert effective_rank(x) == pytest.approx(float(torch.exp(-torch.xlogy(p, p).sum())), rel=1e-4)


def test_effective_rank_ignores_scale_shift_and_rotation():
    x = features(100, 8).double()
    turn = torch.linalg.qr(features(8, 8, seed=1).double()).Q
    assert effective_rank(1000 * x @ turn + 5) == pytest.approx(effective_rank(x))


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1e6])
def test_equal_rows_have_effective_rank_0(value):
    assert effective_rank(torch.full((50, 8), value)) == 0.0
    assert effective_rank((value * features(1, 8)).expand(50, 8)) == 0.0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_effective_rank_of_features_that_are_not_finite(value):
    x = features(50, 8)
    x[3, 4] = value
    assert math.isnan(effective_rank(x))


def test_identical_views_find_their_image():
    x = features(300, 16)
    health = measure(x, x)
    assert health.retrieval == 1.0
    assert health.positive_cosine == pytest.approx(1.0)
    assert (health.images, health.dimensions) == (300, 16)
    assert health.effective_rank == effective_rank(x)


def test_views_of_other_images_find_nothing():
    x = features(300, 16)
    assert measure(x, x.roll(1, 0)).retrieval == 0.0


def test_half_of_the_views_find_their_image():
    x = features(300, 64)
    views = torch.cat([x[:150], features(150, 64, seed=1)])
    assert 0.5 <= measure(x, views).retrieval < 0.53


def test_retrieval_is_about_centred_features():
    x = features(300, 16)
    assert measure(x + 100, x + 100 + 0.01 * features(300, 16, seed=1)).retrieval == 1.0


def test_random_features_find_their_image_by_chance():
    scores = [measure(features(50, 16, seed), features(50, 16, 1000 + seed)) for seed in range(100)]
    assert sum(s.retrieval for s in scores) / 100 == pytest.approx(1 / 50, abs=0.008)
    assert abs(sum(s.positive_cosine for s in scores) / 100) < 0.02


@pytest.mark.parametrize("n", [2, 97, 2048])
def test_equal_features_find_nothing(n):
    same = features(1, 33).expand(n, 33)
    assert measure(same, same).retrieval == 0.0
    assert measure(torch.zeros(n, 8), torch.zeros(n, 8)).retrieval == 0.0


def test_copies_are_those_whose_pixels_correlate():
    x = torch.rand(40, 64, generator=torch.Generator().manual_seed(0))
    assert without_copy(x) == 1.0
    brighter = torch.cat([x, 0.5 * x[:10] + 0.3 + 0.001 * x[10:20]])
    assert without_copy(brighter) == 30 / 50
    even = torch.cat([x, torch.full((5, 64), 0.2), torch.full((5, 64), 0.7)])
    assert without_copy(even) == 40 / 50
    assert without_copy(x[:1]) == 1.0
