"""Which axis of an array means channels."""

from __future__ import annotations

import numpy as np

from lookalike.data.unreadable import Unreadable

MOST_CHANNELS = 16
"""An axis of an array up to this long may mean channels."""


def channels_last(x: np.ndarray) -> np.ndarray:
    """An array [H, W], [H, W, C] or [C, H, W] as [H, W, C]: the last axis means channels where it is short.

    Raises:
        Unreadable: it has another number of axes, or none of them can mean channels.
    """
    if x.ndim == 2:
        return x[:, :, None]
    if x.ndim == 3 and x.shape[2] <= MOST_CHANNELS and x.shape[2] <= x.shape[0]:
        return x
    if x.ndim == 3 and x.shape[0] <= MOST_CHANNELS:
        return x.transpose(1, 2, 0)
    raise Unreadable(f"an array of shape {list(x.shape)} is no image [H, W], [H, W, C] or [C, H, W]")
