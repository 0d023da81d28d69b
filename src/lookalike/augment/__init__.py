"""Random views of images: batched transforms, and augmentations that compose them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lookalike.core.later import later

if TYPE_CHECKING:
    from lookalike.augment.base import Augmentation, Recipe
    from lookalike.augment.recipes import augmentation_names, build_augmentation, build_recipe, recipe_names

__all__ = ["Augmentation", "Recipe", "augmentation_names", "build_augmentation", "build_recipe", "recipe_names"]

# imported when they are asked for: --help goes through this folder without torch
_LATER = {
    **dict.fromkeys(("Augmentation", "Recipe"), "base"),
    **dict.fromkeys(("augmentation_names", "build_augmentation", "build_recipe", "recipe_names"), "recipes"),
}
__getattr__, __dir__ = later(__name__, _LATER, globals())
