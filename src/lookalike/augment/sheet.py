"""A picture of originals beside their random views."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from lookalike.augment.base import Recipe, as_float

_GAP = 2  # pixels between two images
_SIDE = 64  # pixels; smaller images are enlarged by a whole factor


def views_sheet(pixels_NCHW: Tensor, recipe: Recipe, rows: int, views: int, seed: int) -> Image.Image:
    """Rows of an original and its views; the images are evenly spaced through the data.

    One channel is shown grey, three as colour; of any other number the first is shown.
    """
    n = len(pixels_NCHW)
    index_B = torch.linspace(0, n - 1, min(rows, n)).long()
    images = pixels_NCHW[index_B]
    columns = [as_float(images)]
    columns += [recipe(images, seed=seed, epoch=0, index_B=index_B, view=v) for v in range(views)]
    side = columns[1].shape[-1]
    factor = max(1, _SIDE // side)
    tiles = torch.stack(columns, 1)  # [B, 1 + views, C, S, S]
    tiles = tiles if tiles.shape[2] == 3 else tiles[:, :, :1].expand(-1, -1, 3, -1, -1)
    tiles = tiles.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    cell = side * factor + _GAP
    sheet = torch.ones(3, len(tiles) * cell + _GAP, tiles.shape[1] * cell + 3 * _GAP)
    for row, line in enumerate(tiles):
        for column, tile in enumerate(line):
            top = _GAP + row * cell
            left = _GAP + column * cell + (2 * _GAP if column else 0)  # a wider gap after the original
            sheet[:, top : top + side * factor, left : left + side * factor] = tile
    return Image.fromarray((sheet * 255).round().to(torch.uint8).permute(1, 2, 0).numpy())
