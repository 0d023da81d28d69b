"""Gaussian blur has the taps, weights and border of the recipe, and a width per image."""

import math

import pytest
import torch

from lookalike.augment.blur import RandomGaussianBlur, gaussian_blur, gaussian_kernel, taps
from lookalike.core import rng


def images(channels: int = 3, side: int = 32) -> torch.Tensor:
    return torch.rand(4, channels, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("side", "size"), [(8, 1), (32, 3), (64, 7), (96, 9), (224, 23)])
def test_taps(side, size):
    assert taps(side) == size


@pytest.mark.parametrize("size", [3, 7, 9, 23])
def test_kernels_are_gaussians_that_sum_to_one(size):
    sigma_B = torch.tensor([0.1, 0.7, 2.0], dtype=torch.float64)
    kernel_BT = gaussian_kernel(sigma_B, size)
    assert torch.allclose(kernel_BT.sum(1), torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-12)
    assert torch.equal(kernel_BT, kernel_BT.flip(1))
    fall_B = kernel_BT[:, size // 2 + 1] / kernel_BT[:, size // 2]
    assert fall_B.tolist() == pytest.approx([math.exp(-0.5 / s**2) for s in sigma_B.tolist()], rel=1e-9)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_equals_a_sum_over_neighbours(channels):
    x_BCHW, sigma_B = images(channels, 9), torch.tensor([0.3, 0.8, 1.4, 2.0])
    kernel_BT = gaussian_kernel(sigma_B, 5)
    padded = torch.nn.functional.pad(x_BCHW, [2] * 4, mode="reflect")
    expected = torch.zeros_like(x_BCHW)
    for row in range(5):
        for column in range(5):
            weight_B111 = (kernel_BT[:, row] * kernel_BT[:, column]).view(-1, 1, 1, 1)
            expected += weight_B111 * padded[:, :, row : row + 9, column : column + 9]
    assert torch.allclose(gaussian_blur(x_BCHW, sigma_B, 5), expected, atol=1e-6)


def test_a_constant_image_stays_and_its_border_too():
    x_BCHW = torch.full((1, 3, 20, 20), 0.7)
    assert torch.allclose(gaussian_blur(x_BCHW, torch.tensor([2.0]), 7), x_BCHW, atol=1e-6)


def test_one_tap_and_a_vanishing_sigma_are_the_identity():
    x_BCHW = images()
    assert torch.equal(gaussian_blur(x_BCHW, torch.full((4,), 2.0), 1), x_BCHW)
    assert torch.allclose(gaussian_blur(x_BCHW, torch.full((4,), 0.1), 3), x_BCHW, atol=1e-6)


def test_a_lone_grey_image_is_blurred_bit_by_bit_as_in_company():
    x_B1HW, sigma_B = images(1), torch.tensor([0.3, 0.8, 1.4, 2.0])
    together = gaussian_blur(x_B1HW, sigma_B, 3)
    for k in range(4):
        assert torch.equal(gaussian_blur(x_B1HW[k : k + 1], sigma_B[k : k + 1], 3)[0], together[k])


def test_only_chosen_images_are_blurred():
    x_BCHW = images()
    mask_B = torch.tensor([True, False, False, True])
    out = RandomGaussianBlur().forward(x_BCHW, torch.full((4,), 1.0), mask_B)
    assert ((out != x_BCHW).flatten(1).any(1) == mask_B).all()
    assert torch.equal(out[mask_B], gaussian_blur(x_BCHW[mask_B], torch.ones(2), 3))


def test_draws():
    sigma_B, mask_B = RandomGaussianBlur().sample_params(
        rng.uniform(0, "check", 0, torch.arange(10_000), count=2), (3, 32, 32)
    )
    assert mask_B.float().mean().item() == pytest.approx(0.5, abs=0.015)
    assert 0.1 <= sigma_B.min() < 0.11
    assert 1.99 < sigma_B.max() <= 2.0
    assert sigma_B[mask_B].mean().item() == pytest.approx(1.05, abs=0.03)  # the width tells nothing of the mask


def test_probability_zero_is_the_identity():
    operation, x_BCHW = RandomGaussianBlur(p=0.0), images()
    params = operation.sample_params(torch.zeros(4, 2), (3, 32, 32))
    assert torch.equal(operation.forward(x_BCHW, *params), x_BCHW)
