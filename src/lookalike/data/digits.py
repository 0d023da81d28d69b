"""The 1,797 handwritten digits bundled with scikit-learn, 8 x 8 pixels, 17 grey levels."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from lookalike.core.errors import LookalikeError
from lookalike.core.process import generator_kept
from lookalike.data.base import Images

_SIDE = 16  # pixels; the 8 x 8 originals are enlarged so that crops and rotations have room to interpolate


def load(place: Path, image_size: int | None = None, download: bool = False) -> Images:
    """The digits, enlarged to 16 x 16 (or `image_size`) pixels; no split of their own."""
    if str(place) != ".":
        raise LookalikeError(f"digits are bundled and take no folder, got digits:{place}")
    images, labels = bundled()
    side = image_size or _SIDE
    x = torch.from_numpy(images)[:, None] * (255 / 16)
    x = F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)
    return Images(
        pixels=x.round().to(torch.uint8),
        paths=tuple(f"digits/{i:04d}" for i in range(len(x))),
        labels=torch.from_numpy(labels).long(),
        classes=tuple(str(c) for c in range(10)),
        name="digits",
    )


def bundled() -> tuple[np.ndarray, np.ndarray]:
    """The digits as `sklearn.datasets.load_digits` gives them: float64 [N, 8, 8] from 0 to 16, and int64 labels [N].

    From the file that it reads, as importing scikit-learn takes as long as importing PyTorch.
    """
    library = find_spec("sklearn")
    file = Path(library.origin).parent / "datasets" / "data" / "digits.csv.gz" if library and library.origin else None
    if file is not None and file.is_file():
        rows = np.loadtxt(file, delimiter=",")
        return rows[:, :-1].reshape(-1, 8, 8), rows[:, -1].astype(np.int64)
    with generator_kept():
        from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images, bunch.target
