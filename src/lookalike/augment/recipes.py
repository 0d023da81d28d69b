"""Augmentations by name.

`simclr` is the one for ImageNet (SimCLR paper, appendix A, strength 1), `simclr-small` the one for
images of 32 to 64 pixels (appendix B.9: strength 0.5, no blur), `simclr-light` keeps what colour tells (half the
saturation, a fifth of the hue, nothing made grey), `byol-1` and `byol-2` are BYOL's pair (table 6: one always blurs,
the other blurs a tenth and solarises a fifth), `crop-flip` is what DeepCluster's released code and most supervised
training use, `crop` the same without mirroring, `digits` is for written signs, which must not
be mirrored: small rotations, crops (which shift and scale), and brightness and contrast, as without these the amount of
ink tells one sign from another and little else need be learned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from lookalike.augment.affine import RandomAffine
from lookalike.augment.base import Augmentation, Transform
from lookalike.augment.blur import RandomGaussianBlur
from lookalike.augment.color import ColorJitter
from lookalike.augment.crop import RandomMirroredCrop, RandomResizedCrop
from lookalike.augment.flip import RandomHorizontalFlip
from lookalike.augment.grayscale import RandomGrayscale
from lookalike.augment.solarize import RandomSolarize
from lookalike.core.errors import LookalikeError, did_you_mean

_WHOLE = 1.0  # largest crop, fraction of the area
_SMALLEST = 0.08

Area = tuple[float, float]
Builder = Callable[[int, Area], Sequence[Transform]]
"""Makes transforms for views of so many pixels a side, whose crops show so much of the area (from, to)."""


def _jitter(strength: float) -> ColorJitter:
    return ColorJitter(0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength)


def _simclr(size: int, area: Area) -> list[Transform]:
    crop = RandomResizedCrop(size, area)
    return [crop, RandomHorizontalFlip(), _jitter(1.0), RandomGrayscale(), RandomGaussianBlur()]


def _simclr_small(size: int, area: Area) -> list[Transform]:
    crop = RandomResizedCrop(size, area)
    return [crop, RandomHorizontalFlip(), _jitter(0.5), RandomGrayscale()]


def _simclr_light(size: int, area: Area) -> list[Transform]:
    crop = RandomResizedCrop(size, area)
    return [crop, RandomHorizontalFlip(), ColorJitter(0.4, 0.4, 0.2, 0.02)]


def _byol_1(size: int, area: Area) -> list[Transform]:
    jitter = ColorJitter(0.4, 0.4, 0.2, 0.1)
    return [RandomResizedCrop(size, area), RandomHorizontalFlip(), jitter, RandomGrayscale(), RandomGaussianBlur(p=1.0)]


def _byol_2(size: int, area: Area) -> list[Transform]:
    return [*_byol_1(size, area)[:-1], RandomGaussianBlur(p=0.1), RandomSolarize(p=0.2)]


def _crop_flip(size: int, area: Area) -> list[Transform]:
    return [RandomResizedCrop(size, area), RandomHorizontalFlip()]


def _crop(size: int, area: Area) -> list[Transform]:
    return [RandomResizedCrop(size, area)]


def _digits(size: int, area: Area) -> list[Transform]:
    crop = RandomResizedCrop(size, area)
    return [RandomAffine(degrees=10.0), crop, ColorJitter(0.8, 0.8, 0.0, 0.0)]


_RECIPES: dict[str, tuple[Builder, float]] = {  # builder, default crop_min
    "simclr": (_simclr, 0.08),
    "simclr-small": (_simclr_small, 0.08),
    "simclr-light": (_simclr_light, 0.08),
    "byol-1": (_byol_1, 0.08),
    "byol-2": (_byol_2, 0.08),
    "crop-flip": (_crop_flip, 0.08),
    "crop": (_crop, 0.08),
    "digits": (_digits, 0.5),
}


def augmentation_names() -> list[str]:
    """Every name that `--augment` takes."""
    return list(_RECIPES)


def build_augmentation(
    name: str, size: int, crop_min: float | None = None, crop_max: float = _WHOLE, *, colour: bool = True
) -> Augmentation:
    """The augmentation `name` for views of size x size pixels; `crop_min` overrides its smallest crop (area).

    Without `colour`, three channels are not taken for red, green and blue.

    Raises:
        LookalikeError: the name is unknown; the nearest is offered.
    """
    if name not in _RECIPES:
        raise LookalikeError(f"unknown augmentation {name!r}: {did_you_mean(name, _RECIPES)}")
    build, default = _RECIPES[name]
    return augmentation_from(build, size, default if crop_min is None else crop_min, crop_max, colour=colour)


def augmentation_from(
    build: Builder, size: int, crop_min: float | None = None, crop_max: float = _WHOLE, *, colour: bool = True
) -> Augmentation:
    """The augmentation of the transforms that `build(size, (crop_min, crop_max))` makes; `crop_min` None is 0.08."""
    operations = build(size, (_SMALLEST if crop_min is None else crop_min, crop_max))
    return Augmentation([op if colour else _colourless(op) for op in operations], _mirrored)


def crops_only(name: str, crop_min: float | None) -> tuple[str, float]:
    """What fine-tuning keeps of an augmentation (SimCLR paper, appendix B.5): crops, and mirroring where it mirrors.

    Args:
        name: of an augmentation.
        crop_min: smallest crop that was asked for; None for the augmentation's own.

    Returns:
        The name of an augmentation and its smallest crop, a fraction of the area.
    """
    if name not in _RECIPES:  # somebody's own, of which nobody knows whether it mirrors
        return "crop", _SMALLEST if crop_min is None else crop_min
    build, default = _RECIPES[name]
    area = default if crop_min is None else crop_min
    mirrors = any(isinstance(operation, RandomHorizontalFlip) for operation in build(1, (area, _WHOLE)))
    return ("crop-flip" if mirrors else "crop"), area


def _mirrored(first: Transform, second: Transform) -> Transform | None:
    """A crop that mirrors, for a crop and a mirroring."""
    if isinstance(first, RandomResizedCrop) and isinstance(second, RandomHorizontalFlip):
        return RandomMirroredCrop(first, second)
    return None


def _colourless(operation: Transform) -> Transform:
    if isinstance(operation, ColorJitter | RandomGrayscale):
        return replace(operation, colour=False)
    return operation


build_recipe, recipe_names = build_augmentation, augmentation_names
"""The former names, which stay."""
