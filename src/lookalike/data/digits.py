"""The 1,797 handwritten digits bundled with scikit-learn, 8 x 8 pixels, 17 grey levels."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F

from lookalike.core.errors import LookalikeError
from lookalike.data.base import Images

_SIDE = 16  # pixels; the 8 x 8 originals are enlarged so that crops and rotations have room to interpolate


def load(place: Path, image_size: int | None = None, download: bool = False) -> Images:
    """The digits, enlarged to 16 x 16 (or `image_size`) pixels; no split of their own."""
    if str(place) != ".":
        raise LookalikeError(f"digits are bundled and take no folder, got digits:{place}")
    from sklearn.datasets import load_digits

    bundle = load_digits()
    side = image_size or _SIDE
    x = torch.from_numpy(bundle.images)[:, None] * (255 / 16)
    x = F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)
    return Images(
        pixels=x.round().to(torch.uint8),
        paths=tuple(f"digits/{i:04d}" for i in range(len(x))),
        labels=torch.from_numpy(bundle.target).long(),
        classes=tuple(str(c) for c in range(10)),
        name="digits",
    )
