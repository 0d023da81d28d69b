"""A picture of originals beside their random views."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from lookalike.augment.base import as_float

_GAP = 2  # pixels between two images
_SIDE = 64  # pixels; smaller images are enlarged by a whole factor


def as_rgb(x_BCHW: Tensor) -> Tensor:
    """Images of any number of channels as red, green and blue [B, 3, H, W], to be looked at.

    One channel is shown grey, two as red and green, and of more than three the first three.
    """
    channels = x_BCHW.shape[1]
    if channels == 1:
        return x_BCHW.expand(-1, 3, -1, -1)
    if channels == 2:
        return torch.cat([x_BCHW, torch.zeros_like(x_BCHW[:, :1])], 1)
    return x_BCHW[:, :3]


def views_sheet(originals_BCHW: Tensor, views: Sequence[Tensor]) -> Image.Image:
    """A row for each original, with its views [B, C, H, W] beside it; uint8, or float in [0, 1]."""
    tiles = torch.stack([as_rgb(as_float(x)) for x in (originals_BCHW, *views)], 1)  # [B, 1 + views, 3, S, S]
    side = tiles.shape[-1]
    factor = max(1, _SIDE // side)
    tiles = tiles.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    cell = side * factor + _GAP
    sheet = torch.ones(3, len(tiles) * cell + _GAP, tiles.shape[1] * cell + 3 * _GAP)
    for row, line in enumerate(tiles):
        for column, tile in enumerate(line):
            top = _GAP + row * cell
            left = _GAP + column * cell + (2 * _GAP if column else 0)  # a wider gap after the original
            sheet[:, top : top + side * factor, left : left + side * factor] = tile
    return Image.fromarray((sheet * 255).round().to(torch.uint8).permute(1, 2, 0).numpy())
