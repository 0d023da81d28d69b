"""Random views of images: batched operations, and recipes that compose them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lookalike.core.later import later

if TYPE_CHECKING:
    from lookalike.augment.base import Recipe
    from lookalike.augment.recipes import build_recipe, recipe_names

__all__ = ["Recipe", "build_recipe", "recipe_names"]

# imported when they are asked for: --help goes through this folder without torch
_LATER = {"Recipe": "base", "build_recipe": "recipes", "recipe_names": "recipes"}
__getattr__, __dir__ = later(__name__, _LATER, globals())
