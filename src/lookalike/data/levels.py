"""Values of any depth as the 256 levels that networks see.

Values of more than 8 bits become 8 by stretching what lies between the 0.5th and the 99.5th percentile of the image
over 0..255: the three channels of an array together, as they may be a colour, any other number of channels each by
itself. Where the two percentiles are the same, the smallest and the largest value take their place; an image of one
value becomes 0.
"""

from __future__ import annotations

import numpy as np

from lookalike.data.unreadable import Unreadable

_PERCENTILES = (0.5, 99.5)


def eight_bits(x_HWC: np.ndarray) -> np.ndarray:
    """An image [H, W, C] as uint8, by the rule at the top of this module; uint8 as it is.

    Raises:
        Unreadable: it holds no finite value.
    """
    if x_HWC.dtype == np.uint8:
        return x_HWC
    if x_HWC.dtype == np.bool_:
        return x_HWC.astype(np.uint8) * 255
    if x_HWC.shape[2] == 3:
        return _stretched(x_HWC)
    return np.stack([_stretched(x_HWC[:, :, c]) for c in range(x_HWC.shape[2])], axis=2)


def _stretched(values: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):  # of NaN that signals
        x = values.astype(np.float64)
    if values.dtype.kind == "f":
        x *= 0.25  # the range of the largest doubles is a finite number then
    known = np.isfinite(x)
    finite = x if known.all() else x[known]
    if finite.size == 0:
        raise Unreadable("holds no finite value (NaN or infinite only)")
    low, high = np.percentile(finite, _PERCENTILES)
    if not high > low:
        low, high = finite.min(), finite.max()
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    x = np.nan_to_num(x, nan=low, posinf=high, neginf=low)
    return ((x.clip(low, high) - low) / (high - low) * 255).round().astype(np.uint8)
