"""Nearest rows by cosine, always exact: in PyTorch, in NumPy alone, and in an index over a file of features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lookalike.core.lazy_import import lazy_import

if TYPE_CHECKING:
    from lookalike.neighbors.exact import Neighbors, nearest, own_ranks
    from lookalike.neighbors.index import Index
    from lookalike.neighbors.numpy_backend import nearest_rows, unit_rows
    from lookalike.neighbors.topk import largest

__all__ = ["Index", "Neighbors", "largest", "nearest", "nearest_rows", "own_ranks", "unit_rows"]

# imported when they are asked for: the page and the index need no torch
_LAZY = {
    "Index": "index",
    "Neighbors": "exact",
    "largest": "topk",
    "nearest": "exact",
    "nearest_rows": "numpy_backend",
    "own_ranks": "exact",
    "unit_rows": "numpy_backend",
}
__getattr__, __dir__ = lazy_import(__name__, _LAZY, globals())
