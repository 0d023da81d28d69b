"""Whitening gives unit scatter in the leading directions, whatever the rank, scale and shape."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.clustering.whiten import pca_whiten
from lookalike.core.errors import LookalikeError

TALL, WIDE = (300, 12), (40, 120)  # more rows than features, and fewer: two ways to the directions


def features(n: int, size: int, rank: int | None = None, seed: int = 0) -> Tensor:
    """Correlated float64 features off the origin; `rank` is that of the centred ones."""
    generator = torch.Generator().manual_seed(seed)
    rank = min(n - 1, size) if rank is None else rank
    low_NR = torch.randn(n, rank, dtype=torch.float64, generator=generator) * torch.linspace(1, 3, rank)
    return low_NR @ torch.randn(rank, size, dtype=torch.float64, generator=generator) + 5


def rotation(size: int) -> Tensor:
    generator = torch.Generator().manual_seed(9)
    return torch.linalg.qr(torch.randn(size, size, dtype=torch.float64, generator=generator))[0]


def off_identity(z_NK: Tensor) -> float:
    """Largest deviation of z^T z from I."""
    z = z_NK.double()
    return float((z.T @ z - torch.eye(z.shape[1], dtype=torch.float64)).abs().max())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_by_hand(dtype):
    z = pca_whiten(torch.tensor([[2, 0], [-2, 0], [0, 1], [0, -1]], dtype=dtype))
    root = 0.5**0.5
    assert z.dtype == dtype
    torch.testing.assert_close(z, torch.tensor([[root, 0], [-root, 0], [0, root], [0, -root]], dtype=dtype))
    torch.testing.assert_close(F.normalize(z, dim=1), torch.tensor([[1, 0], [-1, 0], [0, 1], [0, -1]], dtype=dtype))


@pytest.mark.parametrize("shape", [TALL, WIDE, (30, 30), (9000, 20)])  # the last is of several blocks of rows
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-11)])
def test_the_directions_are_those_of_a_singular_value_decomposition(shape, dtype, tolerance):
    x = features(*shape).to(dtype)
    left, _, right = torch.linalg.svd(x.double() - x.double().mean(0), full_matrices=False)
    z = pca_whiten(x, 8)
    sign = right[:8].gather(1, right[:8].abs().argmax(1, keepdim=True)).sign()[:, 0]
    torch.testing.assert_close(z.double(), left[:, :8] * sign, rtol=0, atol=tolerance)


@pytest.mark.parametrize("shape", [TALL, WIDE])
def test_scatter_is_the_identity_and_the_mean_zero(shape):
    z = pca_whiten(features(*shape).float())
    assert z.shape == (shape[0], min(shape[0] - 1, shape[1]))
    assert off_identity(z) < 1e-6
    assert z.mean(0).abs().max() < 1e-6
    assert off_identity(features(*shape)) > 1  # of the features themselves


def test_scatter_is_the_identity_in_weak_directions_too():
    x = features(5000, 64) @ torch.diag(torch.logspace(0, -2, 64, dtype=torch.float64)) + 1000
    z = pca_whiten(x.float())
    assert z.shape[1] > 50
    assert off_identity(z) < 1e-4


@pytest.mark.parametrize("shape", [TALL, WIDE])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rank", [1, 5])
def test_columns_are_no_more_than_the_rank(shape, dtype, rank):
    z = pca_whiten(features(*shape, rank).to(dtype))
    assert z.shape[1] == rank
    assert z.isfinite().all()
    assert off_identity(z) < 1e-6


def test_columns_are_no_more_than_asked_for():
    x = features(*TALL)
    assert torch.allclose(pca_whiten(x, 3), pca_whiten(x, 12)[:, :3])


@pytest.mark.parametrize(("floor", "kept"), [(1e-3, 2), (1e-5, 3), (1e-7, 4)])
def test_directions_below_the_floor_are_dropped(floor, kept):
    scale = torch.tensor([1, 10**-1, 10**-2, 10**-3], dtype=torch.float64)  # eigenvalues 1, 1e-2, 1e-4, 1e-6
    z_N4 = torch.linalg.qr(features(50, 4) - features(50, 4).mean(0))[0]
    assert pca_whiten(z_N4 * scale, floor=floor).shape[1] == kept


@pytest.mark.parametrize("shape", [TALL, WIDE])
def test_a_rotation_of_the_features_changes_no_distance(shape):
    x = features(*shape)
    straight, turned = pca_whiten(x, 6), pca_whiten(x @ rotation(shape[1]), 6)
    torch.testing.assert_close(torch.cdist(turned, turned), torch.cdist(straight, straight), rtol=0, atol=1e-7)
    torch.testing.assert_close(turned.abs(), straight.abs(), rtol=0, atol=1e-8)


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e30])
def test_scale_does_not_matter_even_where_squares_overflow(scale):
    x = features(*TALL).float()
    torch.testing.assert_close(pca_whiten(x * scale), pca_whiten(x), rtol=0, atol=1e-5)


def test_a_shift_does_not_matter():
    x = features(*TALL)
    torch.testing.assert_close(pca_whiten(x + 1000), pca_whiten(x), rtol=0, atol=1e-9)


@pytest.mark.parametrize("shape", [TALL, WIDE])
def test_the_largest_loading_of_a_direction_is_positive(shape):
    x = features(*shape)
    loading = (x - x.mean(0)).T @ pca_whiten(x)
    assert (loading.gather(0, loading.abs().argmax(0)[None]) > 0).all()


def test_the_features_are_left_as_they_are():
    x = features(*TALL)
    before = x.clone()
    pca_whiten(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64])
def test_other_numbers_are_whitened_in_float32(dtype):
    x = (features(*TALL) * 4).round().to(dtype)
    assert torch.equal(pca_whiten(x), pca_whiten(x.float()))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused(value):
    x = features(*TALL)
    x[7, 3] = value
    with pytest.raises(LookalikeError, match=r"^features hold NaN or infinite values: [^.]+$"):
        pca_whiten(x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e20])
@pytest.mark.parametrize("n", [1, 1000])
def test_features_that_are_all_the_same_are_refused(dtype, value, n):
    with pytest.raises(LookalikeError, match=rf"^the features of {n:,} images? are all the same: [^.]+$"):
        pca_whiten(torch.full((n, 5), value, dtype=dtype))


def test_features_that_differ_by_rounding_are_the_same():
    x = torch.ones(1000, 5)
    x[::2] += torch.finfo(torch.float32).eps
    with pytest.raises(LookalikeError, match="the features of 1,000 images are all the same"):
        pca_whiten(x)
    x[0, 0] = 1.01
    assert pca_whiten(x).shape == (1000, 1)


def test_no_features_are_refused():
    with pytest.raises(LookalikeError, match="no features"):
        pca_whiten(torch.zeros(0, 5))
