"""Colour jitter draws its strengths, rate and order as the recipe says, and each part does its own."""

import colorsys

import pytest
import torch
from torch import Tensor

import plain_color
from jitter import jittered
from lookalike.augment.color import ORDERS, ColorJitter, color_jitter
from lookalike.augment.grayscale import luma
from lookalike.core import rng

SHAPE = (3, 8, 8)


def images(channels: int = 3, n: int = 4) -> Tensor:
    return torch.rand(n, channels, 8, 8, generator=torch.Generator().manual_seed(0))


def sample_params(jitter: ColorJitter, n: int = 10_000) -> tuple[Tensor, Tensor]:
    return jitter.sample_params(rng.uniform(0, "check", 0, torch.arange(n), count=jitter.num_uniforms), SHAPE)


def test_rate_and_orders():
    _, order_B = sample_params(ColorJitter(0.8, 0.8, 0.8, 0.2))
    acted_B = order_B >= 0
    assert acted_B.float().mean().item() == pytest.approx(0.8, abs=0.012)
    counts = torch.bincount(order_B[acted_B], minlength=24)
    assert len(set(ORDERS)) == len(counts) == 24
    assert counts.min() > 250  # 333 expected of each
    assert counts.max() < 420


@pytest.mark.parametrize(
    ("strength", "low", "high", "hue"), [(1.0, 0.2, 1.8, 0.2), (0.5, 0.6, 1.4, 0.1), (2.0, 0.0, 2.6, 0.4)]
)
def test_factors_fill_their_range_evenly(strength, low, high, hue):
    factors_B4, _ = sample_params(ColorJitter(0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength))
    for column, (a, b) in enumerate([(low, high)] * 3 + [(-hue, hue)]):
        value_B = factors_B4[:, column]
        assert a - 1e-6 <= value_B.min() < a + 0.01 * (b - a)
        assert b - 0.01 * (b - a) < value_B.max() <= b + 1e-6
        assert value_B.mean().item() == pytest.approx((a + b) / 2, abs=0.012 * (b - a))


def test_factors_are_drawn_apart():
    factors_B4, _ = sample_params(ColorJitter(0.8, 0.8, 0.8, 0.2))
    assert (torch.corrcoef(factors_B4.T) - torch.eye(4)).abs().max() < 0.04


def test_brightness_multiplies_and_clamps():
    x_BCHW = torch.tensor([0.0, 0.25, 0.75]).view(1, 3, 1, 1)
    assert jittered(x_BCHW, brightness=2.0).flatten().tolist() == pytest.approx([0.0, 0.5, 1.0], abs=1e-6)


def test_contrast_pivots_on_the_mean_grey():
    x_BCHW = images()
    mean_B111 = luma(x_BCHW).mean((1, 2, 3), keepdim=True)
    assert torch.allclose(jittered(x_BCHW, contrast=0.0), mean_B111.expand_as(x_BCHW), atol=1e-6)
    assert torch.allclose(jittered(x_BCHW, contrast=0.5), (x_BCHW + mean_B111) / 2, atol=1e-6)


def test_contrast_of_other_channels_pivots_on_their_mean():
    x_BCHW = images(2)
    mean_B111 = x_BCHW.mean((1, 2, 3), keepdim=True)
    assert torch.allclose(jittered(x_BCHW, contrast=0.0), mean_B111.expand_as(x_BCHW), atol=1e-6)


def test_saturation_blends_with_grey():
    x_BCHW = images()
    assert torch.allclose(jittered(x_BCHW, saturation=0.0), luma(x_BCHW).expand_as(x_BCHW), atol=1e-6)
    assert torch.allclose(jittered(x_BCHW, saturation=0.5), (x_BCHW + luma(x_BCHW)) / 2, atol=1e-6)


@pytest.mark.parametrize("shift", [-0.37, 0.1, 0.5])
def test_hue_turns_as_the_standard_library_does(shift):
    x_BCHW = images(n=1)
    ours = jittered(x_BCHW, hue=shift)[0].flatten(1).T.tolist()
    for before, after in zip(x_BCHW[0].flatten(1).T.tolist(), ours, strict=True):
        h, s, v = colorsys.rgb_to_hsv(*before)
        assert after == pytest.approx(colorsys.hsv_to_rgb((h + shift) % 1.0, s, v), abs=1e-5)


def test_hue_leaves_grey_black_and_white_alone():
    x_BCHW = torch.tensor([0.0, 0.4, 1.0]).view(3, 1, 1, 1).expand(3, 3, 2, 2)
    assert torch.equal(jittered(x_BCHW, hue=0.3), x_BCHW)


@pytest.mark.parametrize(("channels", "tolerance"), [(1, 0), (2, 0), (3, 1e-6), (5, 0)])
def test_strength_zero_is_the_identity(channels, tolerance):
    jitter, x_BCHW = ColorJitter(0, 0, 0, 0, p=1.0), images(channels)
    params = jitter.sample_params(torch.rand(4, 6, generator=torch.Generator().manual_seed(1)), SHAPE)
    assert torch.allclose(jitter.forward(x_BCHW, *params), x_BCHW, rtol=0, atol=tolerance)


def test_probability_zero_is_the_identity_bit_by_bit():
    jitter, x_BCHW = ColorJitter(0.8, 0.8, 0.8, 0.2, p=0.0), images()
    params = jitter.sample_params(torch.rand(4, 6, generator=torch.Generator().manual_seed(1)), SHAPE)
    assert torch.equal(jitter.forward(x_BCHW, *params), x_BCHW)


def test_each_image_gets_its_factors_in_its_order():
    x_BCHW = images(n=25)
    factors_B4 = torch.tensor([1.7, 0.4, 1.5, 0.15]).repeat(25, 1)
    parts = (
        plain_color.adjust_brightness,
        plain_color.adjust_contrast,
        plain_color.adjust_saturation,
        plain_color.adjust_hue,
    )
    out = color_jitter(x_BCHW, factors_B4, torch.arange(25) - 1)
    assert torch.equal(out[0], x_BCHW[0])
    for k, order in enumerate(ORDERS):
        expected = x_BCHW[k + 1 : k + 2]
        for operation in order:
            expected = parts[operation](expected, factors_B4[:1, operation].view(1, 1, 1, 1))
        assert torch.allclose(out[k + 1], expected[0], atol=1e-6), order


def test_without_colour_only_brightness_and_contrast_act():
    x_B1HW = images(1)
    order_B = torch.zeros(4, dtype=torch.int64)  # brightness, contrast, saturation, hue
    out = color_jitter(x_B1HW, torch.tensor([1.7, 0.4, 1.5, 0.15]).repeat(4, 1), order_B)
    bright_B1HW = (1.7 * x_B1HW).clamp(0, 1)
    mean_B111 = bright_B1HW.mean((1, 2, 3), keepdim=True)
    assert torch.allclose(out, (0.4 * bright_B1HW + 0.6 * mean_B111).clamp(0, 1), atol=1e-6)


def test_inputs_are_not_written_to():
    x_BCHW = images()
    before = x_BCHW.clone()
    color_jitter(x_BCHW, torch.tensor([1.7, 0.4, 1.5, 0.15]).repeat(4, 1), torch.arange(4))
    assert torch.equal(x_BCHW, before)


def test_no_images_are_no_trouble():
    assert color_jitter(images()[:0], torch.ones(0, 4), torch.zeros(0, dtype=torch.int64)).shape == (0, *SHAPE)
