"""Images that Pillow would cut down: of more than 8 bits, or of another number of channels than it knows.

Their readers (`png.py`, `pnm.py`, `tiff.py`) give values as the file has them. What is transparent lies on white, as in
images of 8 bits, and only what can be seen decides how values are stretched (`levels.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lookalike.data.levels import eight_bits

Kind = Literal["grey", "colour", "channels"]


@dataclass(frozen=True)
class Values:
    """What is in a file, its channels apart from its alpha."""

    x_HWC: np.ndarray
    """Numbers of any type."""
    alpha_HW: np.ndarray | None = None
    """float 0..1; None where all is opaque."""
    missing_HWC: np.ndarray | None = None
    """bool, where a value only says that there is none; None where all are there."""


@dataclass
class DeepImage:
    """An image file, opened and not decoded."""

    width: int
    """Pixels as stored, before it is turned upright."""
    height: int
    channels: int
    """Without alpha."""
    bits: int
    kind: Kind
    values: Callable[[], Values]
    """Reads and decodes the file; raises nearly anything where it is damaged."""
    orientation: int = 1
    """As EXIF has it."""
    release: Callable[[], None] = lambda: None
    further: bool = False
    """Whether the file holds other pictures behind this one."""

    def close(self) -> None:
        """Close the file; may be called again."""
        self.release()

    def levels(self) -> np.ndarray:
        """The pixels as stored, uint8 [H, W, C].

        Raises:
            Unreadable: no value is finite.
            Exception: nearly anything, where the file is damaged.
        """
        values = self.values()
        x = values.x_HWC
        if values.missing_HWC is not None and values.missing_HWC.any():
            x = np.where(values.missing_HWC, np.nan, x.astype(np.float64))
        alpha = values.alpha_HW
        if alpha is None or (alpha >= 1).all():
            return eight_bits(x)
        seen = alpha > 0
        if not seen.any():
            return np.full(x.shape, 255, np.uint8)
        levels = eight_bits(x, seen).astype(np.float64)
        part = alpha[:, :, None]
        return (levels * part + 255 * (1 - part)).round().astype(np.uint8)
