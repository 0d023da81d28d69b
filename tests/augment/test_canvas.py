"""Views of images of differing size, each in the upper left corner of a canvas."""

import math

import pytest
import torch
from torch import Tensor

from lookalike.augment.base import Augmentation
from lookalike.augment.crop import RandomResizedCrop
from lookalike.augment.flip import RandomHorizontalFlip
from lookalike.augment.recipes import augmentation_names, build_augmentation
from lookalike.core import rng
from lookalike.core.resample import central_boxes, resized_crop

SIZES = torch.tensor([[32, 32], [32, 11], [5, 32], [1, 1], [20, 3], [17, 30]], dtype=torch.int32)
INDEX = torch.tensor([4, 1000, 7, 0, 12, 3])


def padded_images(channels: int, side: int = 32) -> Tensor:
    """uint8 canvases, black beside the images of SIZES."""
    x = torch.randint(1, 256, (len(SIZES), channels, side, side), generator=torch.Generator().manual_seed(0))
    for image, (height, width) in zip(x, SIZES.tolist(), strict=True):
        image[:, height:] = 0
        image[:, :, width:] = 0
    return x.to(torch.uint8)


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("name", augmentation_names())
def test_a_view_is_that_of_the_image_alone(name: str, channels: int):
    recipe, x = build_augmentation(name, 16), padded_images(channels)
    # places in an image are numbers up to its width, known to 2^-24 of that: a rotation reads them a little beside
    tolerance = 2e-5 if name == "digits" else 1e-6
    for view in range(4):
        at = {"seed": 3, "epoch": 1, "view": view}
        found = recipe(x, **at, index_B=INDEX, sizes_B2=SIZES)
        assert found.shape == (len(SIZES), channels, 16, 16)
        for i, (height, width) in enumerate(SIZES.tolist()):
            alone = recipe(x[i : i + 1, :, :height, :width], **at, index_B=INDEX[i : i + 1])
            torch.testing.assert_close(found[i : i + 1], alone, rtol=0, atol=tolerance)


def test_what_lies_beside_an_image_is_not_seen():
    recipe, x = build_augmentation("simclr", 16), padded_images(3)
    noisy = x.clone()
    for image, (height, width) in zip(noisy, SIZES.tolist(), strict=True):
        image[:, height:] = 255
        image[:, :, width:] = 77
    at = {"seed": 0, "epoch": 0, "view": 0, "index_B": INDEX, "sizes_B2": SIZES}
    assert torch.equal(recipe(x, **at), recipe(noisy, **at))


@pytest.mark.parametrize("operations", [[], [RandomHorizontalFlip(0.0)]])
def test_without_a_crop_a_view_is_the_central_square(operations: list):
    x = padded_images(2)
    found = Augmentation(operations)(x, seed=0, epoch=0, index_B=INDEX, view=0, sizes_B2=SIZES, size=8)
    assert torch.equal(found, resized_crop(x.float() / 255, central_boxes(SIZES), 8))


def test_images_that_fill_canvases_of_another_size_become_squares():
    x = padded_images(1)[:2]
    found = Augmentation([])(x, seed=0, epoch=0, index_B=INDEX[:2], view=0, size=8)
    assert torch.equal(found, resized_crop(x.float() / 255, torch.tensor([[0, 0, 32, 32]] * 2), 8))


def test_sizes_that_fill_the_canvas_change_no_bit():
    x = padded_images(3)[:1].expand(6, -1, -1, -1).contiguous()
    full = torch.full((6, 2), 32)
    for name in augmentation_names():
        at = {"seed": 0, "epoch": 5, "view": 1, "index_B": INDEX}
        recipe = build_augmentation(name, 24)
        difference = (recipe(x, **at) - recipe(x, **at, sizes_B2=full)).abs().max()
        assert difference == 0 if name != "digits" else difference < 2e-5


def test_central_boxes():
    assert central_boxes(SIZES).tolist() == [
        [0, 0, 32, 32], [10, 0, 11, 11], [0, 13, 5, 5], [0, 0, 1, 1], [8, 0, 3, 3], [0, 6, 17, 17]
    ]  # fmt: skip


def plain_box(u: list[float], height: int, width: int, crop: RandomResizedCrop) -> list[int]:
    """One box by the words of torchvision's get_params, one image at a time, in float32 as tensors have it."""
    low, high = (math.log(r) for r in crop.ratio)
    number = torch.tensor
    for k in range(10):
        area = height * width * (crop.scale[0] + (crop.scale[1] - crop.scale[0]) * number(u[k]))
        ratio = torch.exp(low + (high - low) * number(u[10 + k]))
        w, h = int(torch.round(torch.sqrt(area * ratio))), int(torch.round(torch.sqrt(area / ratio)))
        if 0 < w <= width and 0 < h <= height:
            return [int(number(u[20]) * (height - h + 1)), int(number(u[21]) * (width - w + 1)), h, w]
    h, w = height, width
    if width / height < crop.ratio[0]:
        h = max(1, round(width / crop.ratio[0]))
    elif width / height > crop.ratio[1]:
        w = max(1, round(height * crop.ratio[1]))
    return [(height - h) // 2, (width - w) // 2, h, w]


@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.7, 1.0)])
def test_boxes_are_those_of_the_plain_way(scale: tuple[float, float]):
    crop, n = RandomResizedCrop(8, scale), 400
    u_BU = rng.uniform(0, "check", 0, torch.arange(n), count=crop.num_uniforms)
    sizes = torch.randint(1, 90, (n, 2), generator=torch.Generator().manual_seed(1))
    found = crop.boxes(u_BU, sizes.int()).tolist()
    for k in range(n):
        assert found[k] == plain_box(u_BU[k].tolist(), *sizes[k].tolist(), crop), (k, sizes[k])


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
def test_channels_that_are_no_colour_are_jittered_alike(channels: int):
    x = torch.randint(256, (4, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    same = x.expand(-1, channels, -1, -1)
    out = build_augmentation("simclr-small", 16)(same, seed=0, epoch=0, index_B=torch.arange(4), view=0)
    assert torch.equal(out, out[:, :1].expand(-1, channels, -1, -1))


def test_three_channels_need_not_mean_colour():
    x = torch.randint(256, (6, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    at = {"seed": 0, "epoch": 0, "index_B": torch.arange(6), "view": 0}
    colour = build_augmentation("simclr-small", 16)(x, **at)
    plain = build_augmentation("simclr-small", 16, colour=False)(x, **at)
    assert not torch.equal(colour, plain)
    turned = build_augmentation("simclr-small", 16, colour=False)(x[:, [2, 0, 1]], **at)
    torch.testing.assert_close(turned, plain[:, [2, 0, 1]], rtol=0, atol=1e-6)  # no channel is special
