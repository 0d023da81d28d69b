"""Rows of numbers as images: for `image_shape=`, and for rows that were never images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lookalike.core.words import counted
from lookalike.inputs import InputError

_SMALLEST = 4  # pixels a side: what the networks' first layers need


def as_pictures(x_ND: np.ndarray, image_shape: Sequence[int] | None) -> np.ndarray:
    """Rows [N, D] as images [N, H, W], [N, C, H, W] or [N, H, W, C].

    Args:
        x_ND: values of any type.
        image_shape: (H, W), (C, H, W) or (H, W, C), whose product is D. None: the values of a row are laid line after
            line into the smallest square that holds them, of 4 x 4 pixels at least; the pixels left over are 0.

    Raises:
        InputError: the shape does not hold D values.
    """
    n, d = x_ND.shape
    if image_shape is None:
        side = max(_SMALLEST, math.isqrt(d - 1) + 1)
        padded = np.zeros((n, side * side), x_ND.dtype)
        padded[:, :d] = x_ND
        return padded.reshape(n, side, side)
    try:
        shape = tuple(int(v) for v in image_shape)
    except (TypeError, ValueError):
        shape = ()
    if len(shape) not in (2, 3) or min(shape) < 1 or math.prod(shape) != d:
        raise InputError(
            f"image_shape must be (H, W), (C, H, W) or (H, W, C) of {counted(d, 'value')}, as each row has, got "
            f"{image_shape!r}"
        )
    return x_ND.reshape(n, *shape)
