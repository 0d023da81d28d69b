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

_STEP, _SMALLEST = 8, 16  # pixels of the side of a view
# Values of the canvases of which views are made together: as floats they take four bytes each. A GPU wants few of them.
_BLOCK = {"cpu": 2**24, "gpu": 2**26}


class Views:
    """Views of training images: functions of (seed, epoch, image, view).

    They may be smaller than the images as the network sees them otherwise (`--view-scale`); `recipe` is the one of the
    images' own size, for looks and sheets.
    """

    def __init__(self, method: Method, backbone: Backbone, options: TrainOptions, images: Images) -> None:
        self.backbone, self.seed = backbone, options.seed
        self.images = replace(images, pixels=resident(images.pixels, backbone.device), known_digests=images.digests)
        self.recipe = recipe_of(options, images)
        self.side = view_side(images.shape[1], options.view_scale)
        learned = recipe_of(options, images, self.side)
        self.sizes: list[tuple[Recipe, range]] = [(learned, range(method.views))]
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
        return self._rows(self.sizes[0][0], range(view, view + 1), epoch, index_B, 0, len(index_B))

    def _rows(self, recipe: Recipe, numbers: range, epoch: int, index_B: Tensor, start: int, stop: int) -> Tensor:
        """Rows start..stop-1 of the views `numbers` of a batch, one view after the other."""
        size, views = len(index_B), []
        for k, view in enumerate(numbers):
            part_B = index_B[max(0, start - k * size) : max(0, stop - k * size)]
            if len(part_B):
                at = {"seed": self.seed, "epoch": epoch, "view": view}
                views.append(view_of(self.images, recipe, part_B, **at, device=self.backbone.device, side=self.side))
        return self.backbone.prepare(torch.cat(views))


def view_side(side: int, scale: float) -> int:
    """Pixels of the views of images of `side` pixels: a multiple of 8, as maps are halved, and 16 at the least."""
    return side if scale == 1 else min(side, max(_SMALLEST, _STEP * round(side * scale / _STEP)))


def recipe_of(options: TrainOptions, images: Images, side: int | None = None) -> Recipe:
    """The recipe of views that the options name, for these images; of another size than theirs with `side`."""
    return build_recipe(options.augment, side or images.shape[1], options.crop_min, colour=images.colour)


def view_of(
    images: Images,
    recipe: Recipe,
    rows_B: Tensor,
    *,
    seed: int,
    epoch: int,
    view: int,
    device: str = "cpu",
    side: int | None = None,
) -> Tensor:
    """Views float32 [B, C, S, S] in [0, 1] of these rows, on a device.

    An image is called by its place among the images by content, so that its views do not depend on its name.
    """
    parts = []
    block = _BLOCK["cpu" if device == "cpu" else "gpu"]
    for part_B in rows_B.split(max(1, block // math.prod(images.pixels.shape[1:]))):
        made = recipe(
            _brought(images.pixels, part_B, device),
            seed=seed,
            epoch=epoch,
            index_B=images.order[part_B],
            view=view,
            sizes_B2=None if images.sizes is None else images.sizes[part_B],
            size=side or images.shape[1],
        )
        parts.append(made)
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _brought(pixels: Tensor | Canvases, rows_B: Tensor, device: str) -> Tensor:
    """Canvases of these rows on a device; a GPU is handed numbers and pixels without being waited for."""
    if not isinstance(pixels, Tensor):
        found = pixels[rows_B]
    elif pixels.device.type != "cpu":
        return pixels[rows_B.to(pixels.device, non_blocking=True)]
    else:
        found = pixels.index_select(0, rows_B)  # by copies of whole rows, where indexing goes from value to value
    return (found.pin_memory() if device.startswith("cuda") else found).to(device, non_blocking=True)


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
