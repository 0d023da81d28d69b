"""A view depends on (seed, epoch, image, view) and on nothing else, for every recipe."""

import pytest
import torch
from torch import Tensor

from lookalike import augment
from lookalike.augment.base import Augmentation
from lookalike.augment.blur import RandomGaussianBlur
from lookalike.augment.color import ColorJitter
from lookalike.augment.crop import RandomResizedCrop
from lookalike.augment.flip import RandomHorizontalFlip
from lookalike.augment.grayscale import RandomGrayscale
from lookalike.augment.recipes import augmentation_names, build_augmentation
from lookalike.core.errors import LookalikeError

CHANNELS = (1, 2, 3, 5)
EVERY_RECIPE = pytest.mark.parametrize("name", augmentation_names())


def pixels(n: int, channels: int = 3, side: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, channels, side, side), dtype=torch.uint8, generator=generator)


def views(
    recipe: Augmentation, pixels_NCHW: Tensor, index: list[int], seed: int = 1, epoch: int = 2, view: int = 1
) -> Tensor:
    """Views of some images of a data set."""
    index_B = torch.tensor(index)
    return recipe(pixels_NCHW[index_B], seed=seed, epoch=epoch, index_B=index_B, view=view)


@EVERY_RECIPE
@pytest.mark.parametrize("channels", CHANNELS)
def test_a_view_is_the_same_bits_in_any_company_and_order(name, channels):
    recipe, pixels_NCHW = build_augmentation(name, 24), pixels(24, channels)
    together = views(recipe, pixels_NCHW, list(range(24)))
    for index in (*([k] for k in range(12)), [1, 2], [9, 4, 7], list(range(23, -1, -1)), [5, 5, 3]):
        assert torch.equal(views(recipe, pixels_NCHW, index), together[index]), index


@EVERY_RECIPE
@pytest.mark.parametrize("channels", CHANNELS)
def test_views_are_float_images_of_the_size_asked_for(name, channels):
    out = views(build_augmentation(name, 24), pixels(64, channels), list(range(64)))
    assert out.shape == (64, channels, 24, 24)
    assert out.dtype == torch.float32
    assert -1e-6 < out.min() < 0.05  # sums of weights round
    assert 0.7 < out.max() < 1 + 1e-6


@EVERY_RECIPE
def test_each_coordinate_changes_the_view(name):
    recipe, pixels_NCHW = build_augmentation(name, 24), pixels(32)
    base = views(recipe, pixels_NCHW, list(range(32)))
    for other in ({"seed": 3}, {"epoch": 3}, {"view": 0}):
        differs_B = (views(recipe, pixels_NCHW, list(range(32)), **other) != base).flatten(1).any(1)
        assert differs_B.all(), other


@EVERY_RECIPE
def test_the_name_of_an_image_decides_its_view(name):
    recipe, pixels_NCHW = build_augmentation(name, 24), pixels(1).repeat(8, 1, 1, 1)
    out = views(recipe, pixels_NCHW, list(range(8)))
    assert out.flatten(1).unique(dim=0).shape[0] == 8


@EVERY_RECIPE
def test_images_are_not_written_to(name):
    pixels_NCHW = pixels(8, side=24)
    for images in (pixels_NCHW, pixels_NCHW.float() / 255):
        before = images.clone()
        build_augmentation(name, 24)(images, seed=0, epoch=0, index_B=torch.arange(8), view=0)
        assert torch.equal(images, before)


def test_bytes_and_floats_give_the_same_views():
    recipe, pixels_NCHW = build_augmentation("simclr", 24), pixels(8)
    expected = views(recipe, pixels_NCHW, list(range(8)))
    assert torch.equal(views(recipe, pixels_NCHW.float() / 255, list(range(8))), expected)


def test_a_recipe_of_nothing_is_the_image():
    assert torch.equal(views(Augmentation([]), pixels(4), [0, 1, 2, 3]), pixels(4).float() / 255)


def test_one_operation_leaves_the_draws_of_the_others_untouched():
    pixels_NCHW, index = pixels(32), list(range(32))
    crop, flip, grey = RandomResizedCrop(24), RandomHorizontalFlip(), RandomGrayscale()
    never = Augmentation([crop, flip, ColorJitter(0.8, 0.8, 0.8, 0.2, p=0.0), grey])
    nothing = Augmentation([crop, flip, ColorJitter(0, 0, 0, 0, p=1.0), grey])
    assert torch.allclose(views(never, pixels_NCHW, index), views(nothing, pixels_NCHW, index), atol=1e-5)


def test_operations_of_one_kind_draw_apart():
    recipe = Augmentation([RandomHorizontalFlip(), RandomHorizontalFlip()])
    out, pixels_NCHW = views(recipe, pixels(200), list(range(200))), pixels(200).float() / 255
    same_B = (out == pixels_NCHW).flatten(1).all(1)
    assert 0.35 < same_B.float().mean() < 0.65  # always, were both flips one draw


def kinds(name: str) -> list[type]:
    return [type(operation) for operation in build_augmentation(name, 32).operations]


def test_simclr_has_the_operations_of_the_paper_in_order():
    crop, flip, jitter, grey, blur = build_augmentation("simclr", 224).operations
    assert crop == RandomResizedCrop(224, (0.08, 1.0), (3 / 4, 4 / 3))
    assert flip == RandomHorizontalFlip(0.5)
    assert jitter == ColorJitter(0.8, 0.8, 0.8, 0.2, p=0.8)
    assert grey == RandomGrayscale(0.2)
    assert blur == RandomGaussianBlur(0.5, (0.1, 2.0))


def test_simclr_small_is_half_as_strong_and_not_blurred():
    assert kinds("simclr-small") == [RandomResizedCrop, RandomHorizontalFlip, ColorJitter, RandomGrayscale]
    assert build_augmentation("simclr-small", 32).operations[2] == ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8)


def test_digits_are_not_mirrored_and_have_no_colour_to_change():
    assert not {RandomHorizontalFlip, RandomGrayscale} & set(kinds("digits"))
    for operation in build_augmentation("digits", 32).operations:
        if isinstance(operation, ColorJitter):
            assert (operation.saturation, operation.hue) == (0, 0)


@EVERY_RECIPE
def test_the_smallest_crop_can_be_set(name):
    (crop,) = (o for o in build_augmentation(name, 32, crop_min=0.33).operations if isinstance(o, RandomResizedCrop))
    assert crop.scale == (0.33, 1.0)
    assert crop.size == 32


@EVERY_RECIPE
def test_the_largest_crop_can_be_set(name):
    (crop,) = (o for o in build_augmentation(name, 14, 0.05, 0.14).operations if isinstance(o, RandomResizedCrop))
    assert crop == RandomResizedCrop(14, (0.05, 0.14))


def test_crops_of_a_small_area_are_small():
    (crop,) = (
        o for o in build_augmentation("simclr-small", 14, 0.05, 0.14).operations if isinstance(o, RandomResizedCrop)
    )
    u_BU = torch.rand(2000, crop.num_uniforms, generator=torch.Generator().manual_seed(0))
    (box_B4,) = crop.sample_params(u_BU, (3, 32, 32))
    area_B = (box_B4[:, 2] * box_B4[:, 3]).float() / 32**2
    assert 0.04 < area_B.min() < 0.06
    assert 0.13 < area_B.max() < 0.16  # sides are whole pixels


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(LookalikeError, match=r"unknown augmentation 'simclr-smal': did you mean 'simclr-small'\?"):
        build_augmentation("simclr-smal", 32)


def test_former_names_are_those_of_today():
    assert augment.Recipe is augment.Augmentation
    assert augment.build_recipe is augment.build_augmentation
    assert augment.recipe_names is augment.augmentation_names
