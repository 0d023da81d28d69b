"""A sheet shows originals on the left, unchanged, and their views beside them."""

import numpy as np
import pytest
import torch

from lookalike.augment.base import Recipe
from lookalike.augment.recipes import build_recipe
from lookalike.augment.sheet import views_sheet

GAP = 2


def pixels(channels: int, side: int, n: int = 9) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, channels, side, side), dtype=torch.uint8, generator=generator)


def tile(sheet: np.ndarray, row: int, column: int, side: int) -> np.ndarray:
    """One picture of a sheet [H, W, 3]."""
    top = GAP + row * (side + GAP)
    left = GAP + column * (side + GAP) + (2 * GAP if column else 0)
    return sheet[top : top + side, left : left + side]


def test_originals_stand_on_the_left_evenly_spaced_through_the_data():
    pixels_NCHW = pixels(3, 64)
    picture = views_sheet(pixels_NCHW, build_recipe("simclr", 64), rows=3, views=2, seed=0)
    assert picture.mode == "RGB"
    assert picture.size == (3 * 66 + 3 * GAP, 3 * 66 + GAP)
    for row, image in enumerate((0, 4, 8)):
        assert np.array_equal(tile(np.asarray(picture), row, 0, 64), pixels_NCHW[image].permute(1, 2, 0).numpy())


def test_views_are_those_of_the_recipe():
    pixels_NCHW, recipe = pixels(3, 64), build_recipe("simclr", 64)
    sheet = np.asarray(views_sheet(pixels_NCHW, recipe, rows=2, views=3, seed=5))
    for view in range(3):
        expected = recipe(pixels_NCHW[[0, 8]], seed=5, epoch=0, index_B=torch.tensor([0, 8]), view=view)
        for row in range(2):
            values = (expected[row] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
            assert np.array_equal(tile(sheet, row, 1 + view, 64), values)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_without_colour_the_first_channel_is_shown_in_grey(channels):
    pixels_NCHW = pixels(channels, 64)
    sheet = np.asarray(views_sheet(pixels_NCHW, Recipe([]), rows=1, views=1, seed=0))
    for k in range(3):
        assert np.array_equal(tile(sheet, 0, 1, 64)[:, :, k], pixels_NCHW[0, 0].numpy())


def test_small_images_are_enlarged_by_a_whole_factor():
    pixels_NCHW = pixels(1, 28)
    sheet = np.asarray(views_sheet(pixels_NCHW, Recipe([]), rows=1, views=1, seed=0))
    expected = pixels_NCHW[0, 0].numpy().repeat(2, 0).repeat(2, 1)
    assert np.array_equal(tile(sheet, 0, 0, 56)[:, :, 0], expected)
    assert sheet.shape == (56 + 2 * GAP, 2 * (56 + GAP) + 3 * GAP, 3)


def test_fewer_images_than_rows_make_fewer_rows():
    picture = views_sheet(pixels(3, 64, n=2), Recipe([]), rows=8, views=1, seed=0)
    assert picture.height == 2 * (64 + GAP) + GAP


def test_the_ground_is_white():
    sheet = np.asarray(views_sheet(pixels(3, 64), Recipe([]), rows=2, views=2, seed=0))
    assert (sheet[:GAP] == 255).all()
    assert (sheet[:, GAP + 64 : GAP + 64 + 3 * GAP] == 255).all()
    assert (sheet[-GAP:] == 255).all()
    assert (sheet[:, -GAP:] == 255).all()
