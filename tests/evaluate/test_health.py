"""Pins the label-free measures on spectra and features whose values are known, and the verdict on them."""

import math

import pytest
import torch

from lookalike.evaluate.health import Health, effective_rank, measure, verdict


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


def health(retrieval, rank=30.0, images=1000):
    return Health(retrieval, rank, 0.8, images, 128)


@pytest.mark.parametrize(
    ("now", "loss", "word"),
    [
        (health(0.9), 2.0, "healthy"),
        (health(0.9), None, "healthy"),
        (health(0.3), 6.0, "healthy"),  # fewer than untrained, but the loss is well below chance
        (health(0.9, rank=1.3), 2.0, "collapsed"),
        (health(0.0, rank=0.0), 6.93, "collapsed"),
        (health(0.0, rank=math.nan), math.nan, "collapsed"),
        (health(0.9), 6.93, "not learning"),
        (health(0.001), 2.0, "not learning"),
        (health(0.001), None, "not learning"),
    ],
)
def test_verdict(now, loss, word):
    chance = None if loss is None else 6.93
    sentence = verdict(now, untrained=health(0.4), pixels=health(0.2), loss=loss, chance=chance)
    assert sentence.startswith(f"{word}: ")
    assert f"in {now.retrieval:.1%} of cases (pixels 20.0%, untrained 40.0%, chance 0.1%)" in sentence
    assert ("Try " in sentence) == (word != "healthy")


def test_verdict_on_measured_features():
    x = features(500, 32)
    untrained, pixels = measure(x, x + 2 * features(500, 32, 1)), measure(x, x + 3 * features(500, 32, 2))
    good, same = measure(x, x + 0.1 * features(500, 32, 3)), features(1, 32).expand(500, 32)
    broken = torch.full((500, 32), math.nan)
    assert verdict(good, untrained, pixels, 3.0, 6.2).startswith("healthy")
    assert verdict(measure(same, same), untrained, pixels, 6.2, 6.2).startswith("collapsed")
    assert verdict(measure(broken, broken), untrained, pixels, math.nan, 6.2).startswith("collapsed")
    assert verdict(measure(x, features(500, 32, 4)), untrained, pixels, 6.2, 6.2).startswith("not learning")


def test_verdict_gives_the_figures():
    sentence = verdict(health(0.5, rank=12.34), health(0.1), health(0.2), loss=3.25, chance=6.93)
    assert "effective rank 12.3 of 128" in sentence and "loss 3.25 against 6.93 at chance" in sentence
    assert "among 1,000" in sentence
