"""Grey images have three equal channels of luma, a fifth of the time, and need colour to start with."""

import pytest
import torch

from lookalike.augment.grayscale import RandomGrayscale, grayscale, luma
from lookalike.core import rng


def images(channels: int = 3) -> torch.Tensor:
    return torch.rand(4, channels, 5, 6, generator=torch.Generator().manual_seed(0))


def test_luma_weights():
    primaries = torch.eye(3).view(3, 3, 1, 1)
    assert luma(primaries).flatten().tolist() == pytest.approx([0.299, 0.587, 0.114], abs=2e-4)


def test_three_equal_channels():
    out = grayscale(images(), torch.arange(4))
    assert torch.equal(out, luma(images()).expand(-1, 3, -1, -1))


def test_white_stays_white_and_never_beyond():
    out = grayscale(torch.ones(1, 3, 2, 2), torch.tensor([0]))
    assert 0.9998 < out.min() <= out.max() <= 1


def test_only_chosen_images_are_grey():
    x_BCHW, mask_B = images(), torch.tensor([True, False, True, False])
    out = RandomGrayscale().forward(x_BCHW, mask_B)
    assert torch.equal(out[~mask_B], x_BCHW[~mask_B])
    assert torch.equal(out[mask_B], luma(x_BCHW[mask_B]).expand(-1, 3, -1, -1))


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_images_without_colour_stay(channels):
    x_BCHW = images(channels)
    assert torch.equal(RandomGrayscale().forward(x_BCHW, torch.ones(4, dtype=torch.bool)), x_BCHW)


@pytest.mark.parametrize(("p", "tolerance"), [(0.2, 0.012), (0.0, 0.0), (1.0, 0.0)])
def test_rate(p, tolerance):
    (mask_B,) = RandomGrayscale(p).sample_params(rng.uniform(0, "check", 0, torch.arange(10_000)), (3, 5, 6))
    assert mask_B.float().mean().item() == pytest.approx(p, abs=tolerance)
