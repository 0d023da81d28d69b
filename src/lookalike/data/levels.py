"""Values of any depth as the 256 levels that networks see.

Values of more than 8 bits become 8 by stretching what lies between the 0.5th and the 99.5th percentile of the image
over 0..255: the three channels of an array together, as they may be a colour, any other number of channels each by
itself. Where the two percentiles are the same, the smallest and the largest value take their place; an image of one
value becomes 0. Values that are not finite, and the outermost of float32, by which files mark what is missing, have no
part in it.
"""

from __future__ import annotations

import numpy as np

from lookalike.data.unreadable import Unreadable

_PERCENTILES = (0.5, 99.5)
_WORDS = (np.dtype(np.uint16), np.dtype(np.int16), np.dtype(np.int8))  # few values: they are counted, not sorted
_BLOCK = 2**22  # values that are counted at once
_MISSING = float(np.finfo(np.float32).max)


def eight_bits(x_HWC: np.ndarray, seen_HW: np.ndarray | None = None) -> np.ndarray:
    """An image [H, W, C] as uint8, by the rule at the top of this module; uint8 as it is.

    Args:
        x_HWC: numbers.
        seen_HW: bool, the pixels that decide how values are stretched; None: all.

    Raises:
        Unreadable: it holds no finite value.
    """
    if x_HWC.dtype == np.uint8:
        return x_HWC
    if x_HWC.dtype == np.bool_:
        return x_HWC.astype(np.uint8) * 255
    stretched = _stretched_words if x_HWC.dtype.newbyteorder("=") in _WORDS else _stretched
    if x_HWC.shape[2] == 3:
        return stretched(x_HWC, seen_HW)
    return np.stack([stretched(x_HWC[:, :, c], seen_HW) for c in range(x_HWC.shape[2])], axis=2)


def _stretched_words(values: np.ndarray, seen_HW: np.ndarray | None) -> np.ndarray:
    """The same as `_stretched`, for integers of 16 bits and fewer, by a table and in a tenth of the memory."""
    lowest = int(np.iinfo(values.dtype).min)
    number = int(np.iinfo(values.dtype).max) - lowest + 1
    counts = np.zeros(number, np.int64)
    rows = max(1, _BLOCK // max(1, values[0].size))
    for start in range(0, len(values), rows):
        block = values[start : start + rows]
        block = block if seen_HW is None else block[seen_HW[start : start + rows]]
        counts += np.bincount(block.ravel().astype(np.int64) - lowest, minlength=number)
    levels = np.arange(lowest, lowest + number, dtype=np.float64)
    low, high = _limits_of_counts(levels, counts)
    table = np.zeros(number, np.uint8) if not high > low else _scaled(levels, low, high)
    if lowest:  # negative values come after the others, as an index counts them from the end
        table = np.roll(table, lowest)
    return table[values]


def _limits_of_counts(levels: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """The percentiles of values that occur `counts` times, interpolated as `np.percentile` does."""
    until = np.cumsum(counts)
    limits = []
    for percentile in _PERCENTILES:
        place = (until[-1] - 1) * (percentile / 100)
        before, after = levels[np.searchsorted(until, [int(place), min(int(place) + 1, until[-1] - 1)], "right")]
        part = place - int(place)
        limits.append(before + (after - before) * part if part < 0.5 else after - (after - before) * (1 - part))
    if not limits[1] > limits[0]:
        occurring = np.flatnonzero(counts)
        return float(levels[occurring[0]]), float(levels[occurring[-1]])
    return float(limits[0]), float(limits[1])


def _stretched(values: np.ndarray, seen_HW: np.ndarray | None) -> np.ndarray:
    with np.errstate(all="ignore"):  # of NaN that signals
        x = values.astype(np.float64)
    if values.dtype.kind == "f":
        if values.dtype.itemsize == 4:
            x[np.abs(x) == _MISSING] *= np.inf
        x *= 0.25  # the range of the largest doubles is a finite number then
    valid = np.isfinite(x)
    if seen_HW is not None:
        valid = valid & (seen_HW if x.ndim == 2 else seen_HW[:, :, None])
    finite = x if valid.all() else x[valid]
    if finite.size == 0:
        raise Unreadable("holds no finite value (NaN or infinite only)")
    low, high = np.percentile(finite, _PERCENTILES)
    if not high > low:
        low, high = finite.min(), finite.max()
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    return _scaled(np.nan_to_num(x, nan=low, posinf=high, neginf=low), low, high)


def _scaled(x: np.ndarray, low: float, high: float) -> np.ndarray:
    return ((x.clip(low, high) - low) / (high - low) * 255).round().astype(np.uint8)
