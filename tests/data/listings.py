"""Listings of made-up image files."""

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from lookalike.data.image_index import ImageIndex, ImageRef


def picture(i: int, height: int, width: int, channels: int = 3) -> np.ndarray:
    """uint8 [h, w, C]: smooth, no two alike."""
    y, x = np.mgrid[:height, :width]
    planes = [
        120 + 60 * np.sin((i % 7 + 1) * x / 9 + c) + 60 * np.cos((i % 5 + 1) * y / 7 + i) for c in range(channels)
    ]
    return np.stack(planes, 2).round().astype(np.uint8)


def listing_of_files(files: list[Path], names: list[str], **more: object) -> ImageIndex:
    """A listing of files by names of its own, in the order of names."""
    found = sorted(zip(names, files, strict=True))
    entries = [
        ImageRef(name, (file.stat().st_size, file.stat().st_mtime_ns), partial(_open, file)) for name, file in found
    ]
    return ImageIndex(tuple(entries), "made", **more)  # type: ignore[arg-type]


def _open(file: Path) -> Image.Image | np.ndarray:
    return np.load(file) if file.suffix == ".npy" else Image.open(file)


def photos(folder: Path, n: int, least: int = 10, most: int = 90) -> list[Path]:
    """PNG and JPEG files of differing size and aspect."""
    folder.mkdir(parents=True, exist_ok=True)
    random, files = np.random.default_rng(0), []
    for i in range(n):
        height, width = random.integers(least, most, 2)
        file = folder / f"{i:04d}.{'jpg' if i % 2 else 'png'}"
        Image.fromarray(picture(i, height, width)).save(file)
        files.append(file)
    return files


def listing_of_photos(folder: Path, n: int, **sizes: int) -> ImageIndex:
    """`photos` by their own names."""
    files = photos(folder, n, **sizes)
    return listing_of_files(files, [file.name for file in files])
