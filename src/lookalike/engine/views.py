"""Random views of a batch, of full size and, for multi-crop, of a smaller one."""

from __future__ import annotations

import torch
from torch import Tensor

from lookalike.augment.base import Recipe
from lookalike.augment.recipes import build_recipe
from lookalike.core.options import TrainOptions
from lookalike.engine.backbone import Backbone
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

    def __call__(self, epoch: int, index_B: Tensor) -> list[Tensor]:
        """Normalised views [V, B, C, S, S] of the images `index_B`, one tensor for each size."""
        return [self._views(recipe, numbers, epoch, index_B) for recipe, numbers in self.sizes]

    def one(self, epoch: int, index_B: Tensor, view: int) -> Tensor:
        """The normalised view [B, C, S, S] of that number."""
        return self._views(self.recipe, range(view, view + 1), epoch, index_B)[0]

    def _views(self, recipe: Recipe, numbers: range, epoch: int, index_B: Tensor) -> Tensor:
        images = self.pixels[index_B.to(self.pixels.device)].to(self.backbone.device)
        views = [recipe(images, seed=self.seed, epoch=epoch, index_B=index_B, view=v) for v in numbers]
        return self.backbone.prepare(torch.cat(views)).unflatten(0, (len(numbers), -1))
