"""Which axis of an array means channels."""

from __future__ import annotations

import numpy as np

from lookalike.data.unreadable import Unreadable

FEW = 16
"""An axis up to this long means channels rather than pixels."""


def channels_are_first(shape: tuple[int, int, int]) -> bool:
    """Whether three axes are [C, H, W]; else they are [H, W, C], which also an array is that could be either.

    1. Of a first and a last axis where one is short (at most 16), the shorter one means channels.
    2. Else, of two equal axes side by side and another one, the other one: images are often squares.
    3. Else the first where it is shorter than the last.
    """
    first, middle, last = shape
    if min(first, last) > FEW:
        if first == middle != last:
            return False
        if middle == last != first:
            return True
    return first < last


def channels_last(x: np.ndarray) -> np.ndarray:
    """An array [H, W], [H, W, C] or [C, H, W] as [H, W, C].

    Raises:
        Unreadable: it has another number of axes.
    """
    if x.ndim == 2:
        return x[:, :, None]
    if x.ndim == 3:
        return x.transpose(1, 2, 0) if channels_are_first(x.shape) else x
    shape = f"an array of shape {list(x.shape)} is no image [H, W], [H, W, C] or [C, H, W]"
    raise Unreadable(f"{shape}; a file of many images is given by itself, not in a folder" if x.ndim == 4 else shape)
