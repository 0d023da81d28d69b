"""Flips mirror left to right, the chosen images only, half of the time."""

import pytest
import torch

from lookalike.augment.flip import RandomHorizontalFlip, horizontal_flip
from lookalike.core import rng

IMAGES_BCHW = torch.arange(2 * 3 * 2 * 4.0).view(2, 3, 2, 4)


def test_rows_are_reversed():
    out = horizontal_flip(IMAGES_BCHW, torch.tensor([0, 1]))
    assert out[0, 0].tolist() == [[3, 2, 1, 0], [7, 6, 5, 4]]


def test_twice_is_the_identity():
    index_K = torch.tensor([0, 1])
    assert torch.equal(horizontal_flip(horizontal_flip(IMAGES_BCHW, index_K), index_K), IMAGES_BCHW)


def test_only_chosen_images_are_mirrored():
    out = RandomHorizontalFlip().forward(IMAGES_BCHW, torch.tensor([False, True]))
    assert torch.equal(out[0], IMAGES_BCHW[0])
    assert torch.equal(out[1], IMAGES_BCHW[1].flip(-1))


@pytest.mark.parametrize(("p", "tolerance"), [(0.5, 0.015), (0.0, 0.0), (1.0, 0.0)])
def test_rate(p, tolerance):
    (mask_B,) = RandomHorizontalFlip(p).sample_params(rng.uniform(0, "check", 0, torch.arange(10_000)), (3, 2, 4))
    assert mask_B.float().mean().item() == pytest.approx(p, abs=tolerance)
