"""Images are prepared in float32: the same bits under autocast and with any number of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from lookalike.augment.affine import RandomAffine
from lookalike.augment.base import Transform
from lookalike.augment.blur import RandomGaussianBlur
from lookalike.augment.color import ColorJitter
from lookalike.augment.crop import RandomMirroredCrop, RandomResizedCrop
from lookalike.augment.flip import RandomHorizontalFlip
from lookalike.augment.grayscale import RandomGrayscale
from lookalike.augment.normalize import channel_statistics
from lookalike.augment.recipes import augmentation_names, build_augmentation
from lookalike.core.arithmetic import outside_autocast
from lookalike.data.padded import CenterCrops
from lookalike.encoders.alexnet import Sobel
from lookalike.encoders.base import EncoderSpec, build_encoder
from lookalike.engine.feature_extractor import FeatureExtractor

N = 24
OPERATIONS = [
    RandomAffine(degrees=20.0, shift=0.1, scale=(0.8, 1.2), shear=10.0),
    RandomGaussianBlur(p=1.0),
    ColorJitter(0.8, 0.8, 0.8, 0.2, p=1.0),
    RandomResizedCrop(24),
    RandomMirroredCrop(RandomResizedCrop(24), RandomHorizontalFlip()),
    RandomHorizontalFlip(),
    RandomGrayscale(p=1.0),
]


def under_bf16(make: Callable[[], Tensor]) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return make()


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def assert_same_bits_everywhere(make: Callable[[], Tensor]) -> None:
    plain = make()
    assert torch.equal(plain, under_bf16(make))
    for count in (1, 2, 3):
        with threads(count):
            assert torch.equal(plain, make()), f"{count} threads"


def pictures(channels: int, height: int = 32, width: int = 32) -> Tensor:
    return torch.randint(
        0, 256, (N, channels, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


def sizes() -> Tensor:
    """Heights and widths of images on canvases of 32 px."""
    return torch.randint(9, 33, (N, 2), generator=torch.Generator().manual_seed(1))


def test_autocast_is_on_where_these_tests_have_it_on():
    x = torch.rand(4, 4)
    assert under_bf16(lambda: x @ x).dtype == torch.bfloat16
    assert under_bf16(outside_autocast(lambda: x @ x)).dtype == torch.float32


def test_autocast_goes_on_after_code_outside_of_it():
    x = torch.rand(4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with pytest.raises(ZeroDivisionError):
            outside_autocast(lambda: 1 / 0)()
        assert (x @ x).dtype == torch.bfloat16


@pytest.mark.parametrize("on_canvases", [False, True], ids=["squares", "canvases"])
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("name", augmentation_names())
def test_views_of_a_recipe(name: str, channels: int, on_canvases: bool):
    recipe, images = build_augmentation(name, 24), pictures(channels)
    padded_images = sizes() if on_canvases else None
    assert_same_bits_everywhere(
        lambda: recipe(images, seed=3, epoch=1, index_B=torch.arange(N), view=1, sizes_B2=padded_images, size=24)
    )


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: type(o).__name__)
def test_an_operation_by_itself(operation: Transform):
    images = pictures(3) / 255

    def made() -> Tensor:
        u_BU = torch.rand(N, operation.num_uniforms, generator=torch.Generator().manual_seed(2))
        return operation.forward(images, *operation.sample_params(u_BU, (3, 32, 32)))

    assert_same_bits_everywhere(made)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_squares(channels: int):
    center_crops = CenterCrops(pictures(channels), sizes(), 24, torch.arange(N))
    assert_same_bits_everywhere(lambda: center_crops[:])


def test_statistics_of_channels():
    images = pictures(3)
    assert_same_bits_everywhere(lambda: torch.stack(channel_statistics(images)))


def test_differences_of_neighbours():
    images, sobel = pictures(3) / 255, Sobel()
    assert_same_bits_everywhere(lambda: sobel(images))


def test_what_enters_a_network():
    spec = EncoderSpec("convnet", channels=3, image_size=32, width=4)
    backbone = FeatureExtractor(build_encoder(spec, 0), spec, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), "bf16")
    images = pictures(3)
    assert_same_bits_everywhere(lambda: backbone.preprocess(images))


def test_a_network_computes_in_its_own_arithmetic_whatever_the_caller_does():
    spec = EncoderSpec("convnet", channels=3, image_size=32, width=4)
    encoder, images = build_encoder(spec, 0).eval(), pictures(3)
    found = {}
    for precision in ("float32", "bf16"):
        backbone = FeatureExtractor(encoder, spec, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), precision)
        found[precision] = backbone.features(images)
        assert torch.equal(found[precision], under_bf16(lambda one=backbone: one.features(images)))
    assert not torch.equal(found["float32"], found["bf16"])
