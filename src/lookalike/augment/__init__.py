"""Random views of images: batched transforms, and augmentations that compose them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lookalike.core.lazy_import import lazy_import

if TYPE_CHECKING:
    from lookalike.augment.base import Augmentation, Recipe
    from lookalike.augment.recipes import augmentation_names, build_augmentation, build_recipe, recipe_names

__all__ = ["Augmentation", "Recipe", "augmentation_names", "build_augmentation", "build_recipe", "recipe_names"]

# imported when they are asked for: --help goes through this folder without torch
_LAZY = {
    **dict.fromkeys(("Augmentation", "Recipe"), "base"),
    **dict.fromkeys(("augmentation_names", "build_augmentation", "build_recipe", "recipe_names"), "recipes"),
}
__getattr__, __dir__ = lazy_import(__name__, _LAZY, globals())
