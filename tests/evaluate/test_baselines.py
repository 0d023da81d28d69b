"""Pixels and histograms: features without training, of images of any size and number of channels."""

import pytest
import torch
import torch.nn.functional as F

from lookalike.evaluate.baselines import BASELINES, histogram_features, pixel_features
from lookalike.inputs import read


def images(n: int, channels: int, side: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(
        0, 256, (n, channels, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


@pytest.mark.parametrize("side", [1, 3, 8, 16, 50])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 13])
def test_any_number_of_channels_and_any_size(channels: int, side: int):
    x = images(5, channels, side)
    bins, small = 64 if channels == 3 else 16 * channels, min(side, 8)
    histograms = histogram_features(x)
    assert histograms.shape == (5, bins + channels * small * small)
    assert histograms.dtype == torch.float32
    assert torch.allclose(histograms[:, :bins].norm(dim=1), torch.ones(5))
    even = 0.0 if side == 1 else 1.0  # one pixel has no layout
    assert torch.allclose(histograms[:, bins:].norm(dim=1), torch.full((5,), even), atol=1e-5)
    assert pixel_features(x).shape == (5, channels * min(side, 32) ** 2)
    for features in BASELINES.values():
        assert torch.equal(features(x), features(x.float() / 255))


def test_the_product_is_that_of_the_colours_and_of_the_layout():
    x = torch.zeros(4, 3, 16, 16, dtype=torch.uint8)
    x[0, 0, :, :8] = x[1, 0, :, 8:] = x[2, 2, :, :8] = 255  # red on the left, red on the right, blue on the left
    x[3] = 255
    alike = histogram_features(x) @ histogram_features(x).T
    assert alike[0, 0] == pytest.approx(2, abs=1e-5)
    assert alike[0, 1] == pytest.approx(1 - 1, abs=1e-5)  # the same colours, the opposite layout
    assert alike[0, 2] == pytest.approx(
        0.5, abs=1e-5
    )  # half of the pixels have the same colour; layouts of other channels
    assert alike[0, 3] == pytest.approx(0, abs=1e-5)
    assert alike[3, 3] == pytest.approx(1, abs=1e-5)  # an even image has no layout


def test_brightness_of_grey_images_is_told_apart_where_pixels_by_cosine_do_not():
    x = torch.full((2, 1, 8, 8), 40, dtype=torch.uint8)
    x[1] = 200
    pixels, histograms = (F.normalize(of(x), dim=1) for of in BASELINES.values())
    assert float(pixels[0] @ pixels[1]) == pytest.approx(1, abs=1e-5)
    assert float(histograms[0] @ histograms[1]) == pytest.approx(0, abs=1e-5)


def test_features_do_not_depend_on_company():
    x = images(700, 3, 12)
    for of in BASELINES.values():
        assert torch.equal(of(x)[600:], of(x[600:]))


def test_images_on_canvases_are_taken_as_their_squares():
    collection = read(images(6, 3, 40).permute(0, 2, 3, 1).numpy(), 20)
    assert collection.center_crops.shape == (6, 3, 20, 20)
    for of in BASELINES.values():
        assert torch.equal(of(collection.center_crops), of(collection.center_crops[:]))
