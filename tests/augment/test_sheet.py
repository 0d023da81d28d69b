"""A sheet shows originals on the left, unchanged, and their views beside them."""

import numpy as np
import pytest
import torch
from PIL import Image

from lookalike.augment.sheet import views_sheet

GAP = 2


def sheet_of(pixels_NCHW: torch.Tensor, views: int = 1) -> Image.Image:
    """A sheet on which views are the originals once more."""
    return views_sheet(pixels_NCHW, [pixels_NCHW] * views)


def pixels(channels: int, side: int, n: int = 9) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, channels, side, side), dtype=torch.uint8, generator=generator)


def tile(sheet: np.ndarray, row: int, column: int, side: int) -> np.ndarray:
    """One picture of a sheet [H, W, 3]."""
    top = GAP + row * (side + GAP)
    left = GAP + column * (side + GAP) + (2 * GAP if column else 0)
    return sheet[top : top + side, left : left + side]


def test_originals_stand_on_the_left_and_views_beside_them():
    originals, views = pixels(3, 64, n=3), [pixels(3, 64, n=3).flip(0), pixels(3, 64, n=3).float() / 255]
    picture = views_sheet(originals, views)
    assert picture.mode == "RGB"
    assert picture.size == (3 * 66 + 3 * GAP, 3 * 66 + GAP)
    for row in range(3):
        for column, images in enumerate((originals, views[0], originals)):
            assert np.array_equal(tile(np.asarray(picture), row, column, 64), images[row].permute(1, 2, 0).numpy())


@pytest.mark.parametrize(("channels", "shown"), [(1, [0, 0, 0]), (2, [0, 1, None]), (3, [0, 1, 2]), (5, [0, 1, 2])])
def test_channels_as_they_are_shown(channels: int, shown: list):
    pixels_NCHW = pixels(channels, 64)
    sheet = np.asarray(sheet_of(pixels_NCHW))
    for k, channel in enumerate(shown):
        expected = np.zeros((64, 64)) if channel is None else pixels_NCHW[0, channel].numpy()
        assert np.array_equal(tile(sheet, 0, 1, 64)[:, :, k], expected)


def test_small_images_are_enlarged_by_a_whole_factor():
    pixels_NCHW = pixels(1, 28)
    sheet = np.asarray(sheet_of(pixels_NCHW[:1]))
    expected = pixels_NCHW[0, 0].numpy().repeat(2, 0).repeat(2, 1)
    assert np.array_equal(tile(sheet, 0, 0, 56)[:, :, 0], expected)
    assert sheet.shape == (56 + 2 * GAP, 2 * (56 + GAP) + 3 * GAP, 3)


def test_the_ground_is_white():
    sheet = np.asarray(sheet_of(pixels(3, 64, n=2), 2))
    assert (sheet[:GAP] == 255).all()
    assert (sheet[:, GAP + 64 : GAP + 64 + 3 * GAP] == 255).all()
    assert (sheet[-GAP:] == 255).all()
    assert (sheet[:, -GAP:] == 255).all()
