"""Multi-crop (Caron et al. 2020, SwAV, section 3.2): further views of each image, small in pixels and in area."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lookalike.core.options import at_least
from lookalike.methods.base import View
from lookalike.methods.projector import ProjectorOptions

_SHARE = 96 / 224  # side of a small view, of the image's, as in the paper
_SMALLEST = 8  # pixels
_CROP_MIN = 0.14  # largest area of a small view where --crop-min does not say, as in the paper


@dataclass(kw_only=True)
class MultiCropOptions(ProjectorOptions):
    """Options of a method that projects small views too."""

    small_crops: int = 0
    """Further views of each image, smaller in pixels and in area (multi-crop)."""
    small_crop_size: int | None = None
    """Side of a small view, pixels; default: 0.43 of the image's, as 96 of 224."""
    small_crop_min: float = 0.05
    """Smallest area of a small view, as a fraction; its largest is --crop-min of the full-size views."""

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        yield from at_least(self, 0, "small_crops")
        yield from at_least(self, _SMALLEST, "small_crop_size")
        if self.small_crops and not 0 < self.small_crop_min < (self.crop_min or 1):
            yield f"--small-crop-min must be in (0, --crop-min), got {self.small_crop_min}"

    def data_problems(self, n: int, distinct: Callable[[], int]) -> Iterator[str]:
        yield from super().data_problems(n, distinct)
        # the preset has had its say on crop_min here
        if self.small_crops and self.crop_min is None and not self.small_crop_min < _CROP_MIN:
            yield f"--small-crop-min must be below {_CROP_MIN} or --crop-min be given, got {self.small_crop_min}"


def small_views(options: MultiCropOptions) -> tuple[View, ...]:
    """The small views that the options ask for; none where they ask for none."""
    if not options.small_crops:
        return ()
    side = options.small_crop_size or max(_SMALLEST, round(_SHARE * (options.image_size or 0)))
    area = (options.small_crop_min, options.crop_min or _CROP_MIN)
    return (View(count=options.small_crops, size=side, area=area),)
