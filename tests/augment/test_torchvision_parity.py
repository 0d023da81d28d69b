"""Given the same parameters, each operation gives what torchvision gives, far within one grey level."""

import json
import math
from functools import partial

import pytest
import torch
from torch import Tensor

from jitter import jittered
from lookalike.augment.affine import affine, rotation
from lookalike.augment.blur import gaussian_blur
from lookalike.augment.crop import resized_crop
from lookalike.augment.flip import horizontal_flip
from lookalike.augment.grayscale import grayscale
from make_pinned import (
    BLUR_TAPS,
    CROP_SIZE,
    PARAMETERS,
    PINNED,
    tiny_image,
    torchvision_functional,
    torchvision_pinned,
    torchvision_result,
)

JITTERED = ("brightness", "contrast", "saturation", "hue")
TOLERANCE = 1e-5  # one grey level is 4e-3


def our_result(operation: str, x_BCHW: Tensor, parameter, size: int, taps: int) -> Tensor:
    """The same call as `torchvision_result`, by this package."""
    n = len(x_BCHW)
    parameter_B = torch.full((n,), parameter) if isinstance(parameter, float) else None
    calls = {
        "resized_crop": lambda: resized_crop(x_BCHW, torch.tensor(parameter).repeat(n, 1), size),
        "hflip": lambda: horizontal_flip(x_BCHW, torch.arange(n)),
        "rotate": lambda: affine(x_BCHW, rotation(parameter_B * math.pi / 180), torch.zeros(n, 2)),
        **{name: partial(jittered, x_BCHW, **{name: parameter}) for name in JITTERED},
        "grayscale": lambda: grayscale(x_BCHW, torch.arange(n)),
        "blur": lambda: gaussian_blur(x_BCHW, parameter_B, taps),
    }
    return calls[operation]()


def random_images(channels: int = 3) -> Tensor:
    """Noise, noise on a coarse grid (edges), a grey image and two constants: [5, C, 20, 28]."""
    generator = torch.Generator().manual_seed(0)
    x_BCHW = torch.rand(5, channels, 20, 28, generator=generator)
    x_BCHW[1] = x_BCHW[1, :, ::4, ::4].repeat_interleave(4, 1).repeat_interleave(4, 2)
    x_BCHW[2] = x_BCHW[2, :1]
    x_BCHW[3], x_BCHW[4] = 0.0, 1.0
    return x_BCHW


RANDOM_CASES = [
    *(("resized_crop", box) for box in ([0, 0, 20, 28], [3, 5, 9, 16], [12, 1, 7, 6], [19, 27, 1, 1], [0, 4, 20, 2])),
    ("hflip", None),
    *(("rotate", angle) for angle in (-170.0, -15.0, 0.0, 7.3, 90.0)),
    *((name, factor) for name in ("brightness", "contrast", "saturation") for factor in (0.0, 0.2, 0.9, 1.0, 1.8)),
    *(("hue", shift) for shift in (-0.5, -0.2, -0.03, 0.0, 0.1, 0.2, 0.5)),
    ("grayscale", None),
    *(("blur", sigma) for sigma in (0.1, 0.7, 2.0)),
]


@pytest.fixture(scope="module")
def torchvision():
    """Skips where torchvision cannot be imported; the pinned values are compared everywhere."""
    try:
        return torchvision_functional()
    except Exception as error:
        pytest.skip(f"torchvision cannot be imported here: {error}")


@pytest.mark.parametrize(("operation", "parameter"), RANDOM_CASES)
def test_equals_torchvision_on_random_images(torchvision, operation, parameter):
    x_BCHW = random_images()
    expected = torchvision_result(operation, x_BCHW, parameter, 12, 7)
    assert torch.allclose(our_result(operation, x_BCHW, parameter, 12, 7), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("size", [8, 24, 32])
def test_enlarging_and_shrinking_equal_torchvision(torchvision, size):
    x_BCHW = random_images()
    expected = torchvision_result("resized_crop", x_BCHW, [2, 3, 15, 17], size, 1)
    ours = our_result("resized_crop", x_BCHW, [2, 3, 15, 17], size, 1)
    assert torch.allclose(ours, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(("operation", "parameter"), [c for c in RANDOM_CASES if c[0] in ("contrast", "blur")])
def test_equals_torchvision_on_grey_images(torchvision, operation, parameter):
    x_B1HW = random_images(channels=1)
    expected = torchvision_result(operation, x_B1HW, parameter, 12, 7)
    assert torch.allclose(our_result(operation, x_B1HW, parameter, 12, 7), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("operation", PARAMETERS)
def test_equals_what_torchvision_made_of_the_tiny_image(operation):
    for parameter, values in zip(PARAMETERS[operation], json.loads(PINNED.read_text())[operation], strict=True):
        ours = our_result(operation, tiny_image()[None], parameter, CROP_SIZE, BLUR_TAPS)
        assert torch.allclose(ours, torch.tensor(values).view_as(ours), rtol=0, atol=TOLERANCE), parameter


def test_the_committed_values_are_still_those_of_torchvision(torchvision):
    fresh = torchvision_pinned()
    committed = json.loads(PINNED.read_text())
    assert fresh.keys() == committed.keys()
    for operation, results in fresh.items():
        for values, kept in zip(results, committed[operation], strict=True):
            assert values == pytest.approx(kept, abs=TOLERANCE), operation
