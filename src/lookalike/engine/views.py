"""Random views of a batch, of full size and, for multi-crop, of a smaller one."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from lookalike.augment.base import Recipe
from lookalike.augment.recipes import build_recipe
from lookalike.core.options import TrainOptions
from lookalike.engine.backbone import Backbone
from lookalike.engine.step import Part
from lookalike.methods.base import Method


class Views:
    """Views of training images: functions of (seed, epoch, image, view)."""

    def __init__(self, method: Method, backbone: Backbone, options: TrainOptions, pixels: Tensor) -> None:
        """`pixels` uint8 [N, C, S, S], on any device, hold every image of the data set."""
        self.backbone, self.seed, self.pixels = backbone, options.seed, pixels
        self.recipe = build_recipe(options.augment, pixels.shape[-1], options.crop_min)
        self.sizes: list[tuple[Recipe, range]] = [(self.recipe, range(method.views))]
        if method.small_views:
            small = build_recipe(options.augment, method.small_size, *method.small_area)
            self.sizes.append((small, range(method.views, method.views + method.small_views)))

    def parts(self, epoch: int, index_B: Tensor, images: int | None = None) -> list[Part]:
        """Functions that make the normalised views of a batch, rows [R, C, S, S], view after view.

        One for each size; or, for chunks of `images` images with all their views, so many more.
        """
        found: list[Part] = []
        for recipe, numbers in self.sizes:
            rows = len(numbers) * len(index_B)
            step = rows if images is None else images * len(numbers)
            for start in range(0, rows, step):
                stop = min(start + step, rows)
                found.append(partial(self._rows, recipe, numbers, epoch, index_B, start, stop))
        return found

    def one(self, epoch: int, index_B: Tensor, view: int) -> Tensor:
        """The normalised view [B, C, S, S] of that number."""
        return self._rows(self.recipe, range(view, view + 1), epoch, index_B, 0, len(index_B))

    def _rows(self, recipe: Recipe, numbers: range, epoch: int, index_B: Tensor, start: int, stop: int) -> Tensor:
        """Rows start..stop-1 of the views `numbers` of a batch, one view after the other."""
        size, views = len(index_B), []
        for k, view in enumerate(numbers):
            part_B = index_B[max(0, start - k * size) : max(0, stop - k * size)]
            if len(part_B):
                images = self.pixels[part_B.to(self.pixels.device)].to(self.backbone.device)
                views.append(recipe(images, seed=self.seed, epoch=epoch, index_B=part_B, view=view))
        return self.backbone.prepare(torch.cat(views))


def resident(pixels: Tensor, device: str) -> Tensor:
    """The images on the training device where they take less than half of its free memory."""
    if device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info()
        if pixels.numel() < free // 2:
            return pixels.to(device)
    return pixels
