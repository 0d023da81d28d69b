"""Numbers as the 256 levels that images have: by their value alone, and never by another range than was fitted.

A row's levels depend on its own numbers and on the range that `fit` found. Numbers that are evidently of another
range (0..255 where [0, 1] was fitted) are refused, as they would all become black or white.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.core.errors import LookalikeError

_LEVELS = 255
_DEEP = 65535  # the highest of 16 bits
_BLOCK = 1024  # images converted at once
_IMAGE = 64  # numbers of an image, from which it tells of a range; rows of a table may hold fewer
_SEVERAL = 8  # images that tell together what one cannot
_SHARE = 0.01  # of the numbers, beyond the range and its margin, from which it is another one
_MARGIN = 0.5  # of the range, on both sides; what lies in it is cut off
_UNIT_MARGIN = 0.1  # of [0, 1] in images: what sharpening and resizing overshoot
_NORMALISED = 4  # what lies within so many units of 0 is of fractions
_NO_UNIT = 15  # a range that ends above this is none of fractions


class InputError(LookalikeError, ValueError):
    """What cannot be taken as images; a ValueError too, as scikit-learn's users expect."""


@dataclass(frozen=True)
class Scale:
    """The range of numbers that stands for black to white."""

    low: float
    high: float

    @classmethod
    def from_array(cls, x: np.ndarray) -> Scale | None:
        """That of an array: None for uint8, 0..1 for booleans and what lies within it, else the range of its values."""
        _raise_no_numbers(x)
        if x.dtype == np.uint8:
            return None
        low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 1.0)
        return UNIT if low >= 0 and high <= 1 else cls(low, high)

    def levels(self, x: np.ndarray) -> np.ndarray:
        """uint8 levels; what is beyond the range becomes black or white. Each value for itself."""
        span = self.high - self.low or 1.0  # one value only is black
        result = np.empty(x.shape, np.uint8)
        for start in range(0, len(x), _BLOCK):  # doubles take eight times the memory of levels
            unit = (x[start : start + _BLOCK].astype(np.float64) - self.low) / span
            result[start : start + _BLOCK] = (unit.clip(0, 1) * _LEVELS).round()
        return result


UNIT = Scale(0.0, 1.0)


def levels(x: np.ndarray, scale: Scale | None) -> np.ndarray:
    """Numbers as uint8 levels.

    Args:
        x: numbers of any kind, [N, ...].
        scale: as `Scale.from_array` the first array said; None where images have been bytes or files.

    Raises:
        InputError: not numbers, not finite, or evidently of another range than was fitted; says what to do.
    """
    _raise_no_numbers(x)
    if scale is not None and not (x.dtype == np.uint8 and scale == UNIT):
        _raise_other_range(x, scale)
        return scale.levels(x)
    if x.dtype == np.uint8:
        return x
    if x.dtype.kind in "bf":
        if x.size and not (x.min() >= 0 and x.max() <= 1):
            raise InputError(
                f"float images must lie in [0, 1] here, got {x.min():g} to {x.max():g}: scale them, or give uint8"
            )
        return UNIT.levels(x)
    if x.size and not (x.min() >= 0 and x.max() <= _LEVELS):
        raise InputError(f"integer images must lie in 0..255 here, got {x.min()} to {x.max()}: scale them")
    return x.astype(np.uint8)


def raise_not_finite(x: np.ndarray, what: str = "image") -> None:
    """
    Args:
        x: numbers [N, ...].
        what: a row of them is called.

    Raises:
        InputError: some are NaN or infinite; says in which rows.
    """
    if x.dtype.kind != "f" or not x.size or np.isfinite(x).all():
        return
    bad = np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(1)) if x.ndim else np.zeros(1, int)
    more = f" and {len(bad) - 1:,} more" if len(bad) > 1 else ""
    raise InputError(f"{what}s hold NaN or infinity: {what} {bad[0]}{more}; leave them out, or fill them in")


def _raise_no_numbers(x: np.ndarray) -> None:
    if x.dtype.kind not in "buif":
        raise InputError(f"images must be numbers, got an array of {x.dtype}")
    raise_not_finite(x)


def _raise_other_range(x: np.ndarray, scale: Scale) -> None:
    """
    Raises:
        InputError: the numbers are of another range than `scale`.
    """
    if not x.size:
        return
    low, high = float(x.min()), float(x.max())
    if _is_another_range(x, low, high, scale):
        remedy = "bring them to that range first"
        if scale == UNIT and low >= 0 and high <= _LEVELS:
            remedy = "divide them by 255, or give uint8"
        elif scale.low >= 0 and scale.high > _NO_UNIT and low >= 0 and high <= 1:
            remedy = f"multiply them by {_LEVELS if scale.high <= _LEVELS else _DEEP}"
        raise InputError(
            f"numbers from {low:g} to {high:g}{' (uint8)' if x.dtype == np.uint8 else ''} are of another range than "
            f"those that were fitted, {scale.low:g} to {scale.high:g}: {remedy}"
        )


def _is_another_range(x: np.ndarray, low: float, high: float, scale: Scale) -> bool:
    images = x[0].size >= _IMAGE
    several = images and len(x) >= _SEVERAL
    large = scale.low >= 0 and scale.high > _NO_UNIT
    if x.dtype.kind == "b" or (x.dtype == np.uint8 and scale.high > 2 * _LEVELS):
        return large  # these kinds of numbers say their range themselves
    if large and low >= -_NORMALISED and high <= _NORMALISED and not _whole(x):
        return True
    if scale.low >= 0 and scale.high > 2 * _LEVELS and low >= 0 and high <= _LEVELS:
        return several  # one may be dark
    if scale == UNIT and low >= 0 and high > _NO_UNIT and _whole(x):
        return True  # bytes, however few of them are not black
    if scale.low < -0.5 and scale.high <= _NORMALISED and low >= 0 and high <= 1 and not _whole(x):
        return several  # one may be bright
    margin = (scale.high - scale.low or 1.0) * (_UNIT_MARGIN if scale == UNIT and images else _MARGIN)
    if low >= scale.low - margin and high <= scale.high + margin:
        return False
    beyond = np.count_nonzero(x < scale.low - margin) + np.count_nonzero(x > scale.high + margin)
    return bool(beyond > _SHARE * x.size)


def _whole(x: np.ndarray) -> bool:
    return x.dtype.kind != "f" or np.array_equal(x, np.rint(x))
