"""Random views of a batch, of full size and, for multi-crop, of a smaller one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from PIL import Image
from torch import Tensor

from lookalike.augment.base import Augmentation
from lookalike.augment.own import OwnAugmentation
from lookalike.augment.recipes import Area, augmentation_from, build_augmentation
from lookalike.augment.sheet import views_sheet
from lookalike.core import own_code
from lookalike.core.options import OWN_VIEWS, TrainOptions
from lookalike.data.base import Images
from lookalike.data.padded import PaddedImages, prefetch
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.engine.step import Part
from lookalike.methods.base import Method, View

_WHOLE = 1.0  # largest crop, fraction of the area
_STEP, _SMALLEST = 8, 16  # pixels of the side of a view
# Values of padded images of which views are made at once: as floats they take four bytes each. A GPU wants few of them.
_BLOCK = {"cpu": 2**24, "gpu": 2**26}


@dataclass(frozen=True)
class Group:
    """Views of one size that go through the network as one batch."""

    augmentations: tuple[Augmentation, ...]
    """One for each view."""
    first: int
    """The number of the first view; the others follow."""


class Views:
    """Views of training images: functions of (seed, epoch, image, view).

    They may be smaller than the images as the network sees them otherwise (`--view-scale`); `augmentation` is that of
    the images' own size, for looks and sheets.
    """

    def __init__(self, method: Method, backbone: FeatureExtractor, options: TrainOptions, images: Images) -> None:
        self.backbone, self.seed = backbone, options.seed
        self.images = replace(images, pixels=resident(images.pixels, backbone.device), known_digests=images.digests)
        self.augmentation = augmentation_of(options, images, views=method.views)
        self.side = view_side(images.shape[1], options.view_scale)
        self.groups = groups_of(method, options, images, self.side)
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

        One for each group; or, for chunks of `images` images with all their views, so many more.
        """
        parts: list[Part] = []
        self._prefetch()
        for group in self.groups:
            rows = len(group.augmentations) * len(index_B)
            step = rows if images is None else images * len(group.augmentations)
            for start in range(0, rows, step):
                stop = min(start + step, rows)
                parts.append(partial(self._rows, group, epoch, index_B, start, stop))
        return parts

    def one(self, epoch: int, index_B: Tensor, view: int) -> Tensor:
        """The normalised view [B, C, S, S] of that number; one beyond those of a batch is another of the first kind."""
        every = {
            group.first + k: augmentation for group in self.groups for k, augmentation in enumerate(group.augmentations)
        }
        return self._rows(Group((every.get(view, every[0]),), view), epoch, index_B, 0, len(index_B))

    def _rows(self, group: Group, epoch: int, index_B: Tensor, start: int, stop: int) -> Tensor:
        """Rows start..stop-1 of the views of a group of a batch, one view after the other."""
        size, views = len(index_B), []
        for k, augmentation in enumerate(group.augmentations):
            part_B = index_B[max(0, start - k * size) : max(0, stop - k * size)]
            if len(part_B):
                at = {"seed": self.seed, "epoch": epoch, "view": group.first + k}
                views.append(
                    view_of(self.images, augmentation, part_B, **at, device=self.backbone.device, side=self.side)
                )
        return self.backbone.preprocess(torch.cat(views))


def groups_of(method: Method, options: TrainOptions, images: Images, side: int) -> list[Group]:
    """The views of a method, in their order: neighbours of one size together, or each by itself.

    Args:
        method: has `views` and `views_together`.
        options: say which augmentation, and whether each view has its own.
        images: the data set.
        side: of a view that says no size of its own, pixels.
    """
    groups: list[Group] = []
    number = 0
    before: tuple[int, Area | None] | None = None
    for view in method.views:
        size = view.size or side
        augmentation = view_augmentation(view, options, images, size)
        for _ in range(view.count):
            if method.views_together and (size, view.area) == before:
                groups[-1] = replace(groups[-1], augmentations=(*groups[-1].augmentations, augmentation))
            else:
                groups.append(Group((augmentation,), number))
            number, before = number + 1, (size, view.area)
    return groups


def view_augmentation(view: View, options: TrainOptions, images: Images, size: int) -> Augmentation:
    """The augmentation of one view of `size` pixels: that of `--augment`, or the view's own where it says so."""
    if own_code.is_own(options.augment):
        return OwnAugmentation(own_code.find(options.augment), size)
    augment = view.augment if options.augment == OWN_VIEWS else None
    area = view.area or (options.crop_min, _WHOLE)
    if augment is not None and not isinstance(augment, str):
        return augmentation_from(augment, size, *area, colour=images.colour)
    name = augment or (TrainOptions.augment if options.augment == OWN_VIEWS else options.augment)
    return build_augmentation(name, size, *area, colour=images.colour)


def view_side(side: int, scale: float) -> int:
    """Pixels of the views of images of `side` pixels: a multiple of 8, as maps are halved, and 16 at the least."""
    return side if scale == 1 else min(side, max(_SMALLEST, _STEP * round(side * scale / _STEP)))


def augmentation_of(options: TrainOptions, images: Images, views: Sequence[View] = (View(),)) -> Augmentation:
    """The augmentation that the options name, for these images; where each view has its own, that of the first."""
    return view_augmentation(replace(views[0], area=None), options, images, images.shape[1])


def view_of(
    images: Images,
    augmentation: Augmentation,
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
        made = augmentation(
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


def _brought(pixels: Tensor | PaddedImages, rows_B: Tensor, device: str) -> Tensor:
    """Padded images of these rows on a device; a GPU is handed numbers and pixels without being waited for."""
    if not isinstance(pixels, Tensor):
        images_B = pixels[rows_B]
    elif pixels.device.type != "cpu":
        return pixels[rows_B.to(pixels.device, non_blocking=True)]
    else:
        images_B = pixels.index_select(0, rows_B)  # by copies of whole rows, where indexing goes from value to value
    return (images_B.pin_memory() if device.startswith("cuda") else images_B).to(device, non_blocking=True)


def sheet_of(images: Images, augmentation: Augmentation, rows: int, views: int, seed: int) -> Image.Image:
    """A picture of some images, evenly spaced through the data by content, beside views of them."""
    content_order = images.center_crops.content_order
    chosen = content_order[torch.linspace(0, len(images) - 1, min(rows, len(images))).long()]
    made = [view_of(images, augmentation, chosen, seed=seed, epoch=0, view=view) for view in range(views)]
    return views_sheet(images.center_crops[chosen], made)


def resident(pixels: Tensor | PaddedImages, device: str) -> Tensor | PaddedImages:
    """The images on the training device where they take less than half of its free memory."""
    if device.startswith("cuda") and isinstance(pixels, Tensor):
        free, _ = torch.cuda.mem_get_info()
        if pixels.numel() < free // 2:
            return pixels.to(device)
    return pixels
