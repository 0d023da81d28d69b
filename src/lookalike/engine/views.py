"""Random views of a batch, of full size and, for multi-crop, of a smaller one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

import torch
from PIL import Image
from torch import Tensor

from lookalike.augment.base import Recipe
from lookalike.augment.recipes import build_recipe
from lookalike.augment.sheet import views_sheet
from lookalike.core.options import TrainOptions
from lookalike.data.base import Images
from lookalike.data.canvas import Canvases, prefetch
from lookalike.engine.backbone import Backbone
from lookalike.engine.step import Part
from lookalike.methods.base import Method

_BLOCK = 2**24  # values of the canvases of which views are made together: as floats they take four bytes each


class Views:
    """Views of training images: functions of (seed, epoch, image, view)."""

    def __init__(self, method: Method, backbone: Backbone, options: TrainOptions, images: Images) -> None:
        self.backbone, self.seed = backbone, options.seed
        self.images = replace(images, pixels=resident(images.pixels, backbone.device), known_digests=images.digests)
        self.recipe = recipe_of(options, images)
        self.sizes: list[tuple[Recipe, range]] = [(self.recipe, range(method.views))]
        if method.small_views:
            small = build_recipe(options.augment, method.small_size, *method.small_area, colour=images.colour)
            self.sizes.append((small, range(method.views, method.views + method.small_views)))
        self.ahead: Iterator[Tensor] = iter(())

    def expect(self, batches: Iterable[Tensor]) -> None:
        """Say which rows the coming batches are of, so that images are there when they are asked for."""
        self.ahead = iter(batches)
        self._prefetch()

    def _prefetch(self) -> None:
        rows = next(self.ahead, None)
        if rows is not None:
            prefetch(self.images.pixels, rows)

    def parts(self, epoch: int, index_B: Tensor, images: int | None = None) -> list[Part]:
        """Functions that make the normalised views of a batch, rows [R, C, S, S], view after view.

        One for each size; or, for chunks of `images` images with all their views, so many more.
        """
        found: list[Part] = []
        self._prefetch()
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
                at = {"seed": self.seed, "epoch": epoch, "view": view}
                views.append(view_of(self.images, recipe, part_B, **at, device=self.backbone.device))
        return self.backbone.prepare(torch.cat(views))


def recipe_of(options: TrainOptions, images: Images) -> Recipe:
    """The recipe of views that the options name, for these images."""
    return build_recipe(options.augment, images.shape[1], options.crop_min, colour=images.colour)


def view_of(
    images: Images, recipe: Recipe, rows_B: Tensor, *, seed: int, epoch: int, view: int, device: str = "cpu"
) -> Tensor:
    """Views float32 [B, C, S, S] in [0, 1] of these rows, on a device.

    An image is called by its place among the images by content, so that its views do not depend on its name.
    """
    parts = []
    for part_B in rows_B.split(max(1, _BLOCK // math.prod(images.pixels.shape[1:]))):
        made = recipe(
            _rows_of(images.pixels, part_B).to(device, non_blocking=True),
            seed=seed,
            epoch=epoch,
            index_B=images.order[part_B],
            view=view,
            sizes_B2=None if images.sizes is None else images.sizes[part_B],
            size=images.shape[1],
        )
        parts.append(made)
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _rows_of(pixels: Tensor | Canvases, rows_B: Tensor) -> Tensor:
    """Canvases of these rows; a tensor's by copies of whole rows, where indexing goes from value to value."""
    if isinstance(pixels, Tensor) and pixels.device.type == "cpu":
        return pixels.index_select(0, rows_B)
    return pixels[rows_B]


def sheet_of(images: Images, recipe: Recipe, rows: int, views: int, seed: int) -> Image.Image:
    """A picture of some images, evenly spaced through the data by content, beside views of them."""
    by_content = images.squares.by_content
    chosen = by_content[torch.linspace(0, len(images) - 1, min(rows, len(images))).long()]
    made = [view_of(images, recipe, chosen, seed=seed, epoch=0, view=view) for view in range(views)]
    return views_sheet(images.squares[chosen], made)


def resident(pixels: Tensor | Canvases, device: str) -> Tensor | Canvases:
    """The images on the training device where they take less than half of its free memory."""
    if device.startswith("cuda") and isinstance(pixels, Tensor):
        free, _ = torch.cuda.mem_get_info()
        if pixels.numel() < free // 2:
            return pixels.to(device)
    return pixels
