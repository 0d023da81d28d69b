"""Channel statistics are those of NumPy, and normalising by them gives mean 0 and deviation 1."""

import pytest
import torch

from lookalike.augment.base import as_float
from lookalike.augment.normalize import channel_statistics, normalize


def pixels(n: int = 7, channels: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (n, channels, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_statistics_equal_numpy(channels):
    x = pixels(channels=channels).numpy() / 255.0
    mean_C, std_C = channel_statistics(pixels(channels=channels))
    assert mean_C.dtype == std_C.dtype == torch.float32
    assert mean_C.tolist() == pytest.approx(x.mean((0, 2, 3)).tolist(), rel=1e-6)
    assert std_C.tolist() == pytest.approx(x.std((0, 2, 3)).tolist(), rel=1e-6)


@pytest.mark.parametrize("block", [1, 2, 7, 100])
def test_blocks_and_order_do_not_matter(block):
    expected = channel_statistics(pixels())
    found = channel_statistics(pixels().flip(0), block)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_constant_channel_has_nothing_to_scale(level):
    mean_C, std_C = channel_statistics(torch.full((3, 1, 5, 4), level, dtype=torch.uint8))
    assert mean_C.item() == pytest.approx(level / 255, rel=1e-6)
    assert std_C.item() == 1.0


def test_normalised_images_have_mean_zero_and_deviation_one():
    out = normalize(as_float(pixels()), *channel_statistics(pixels()))
    assert torch.allclose(out.mean((0, 2, 3)), torch.zeros(3), atol=1e-6)
    assert torch.allclose(out.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-6)
