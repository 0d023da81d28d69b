"""Images from a folder, searched recursively.

`train/` and `test/` (or `val/`) directly below it are splits; the folders that hold the images are
their classes, used for evaluation only. Images of differing size are scaled so that the shorter side
fits and cut to their central square.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from lookalike.core.errors import LookalikeError
from lookalike.core.machine import cores
from lookalike.data.base import Images

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
_SPLITS = {"train": "train", "test": "test", "val": "test"}
_NATIVE = 64  # images that all have one size up to this many pixels keep it
_SCALED = 64  # else they are brought to this side, unless --image-size says otherwise
_MOST_SKIPPED = 0.2  # share of unreadable files above which the folder is refused


def load(place: Path, image_size: int | None = None, download: bool = False) -> Images:
    """The images below a folder, in the order of their relative paths."""
    files = sorted(walk(place))
    if not files:
        others = Counter(p.suffix.lower() or "(no suffix)" for p in place.rglob("*") if p.is_file())
        found = ", ".join(f"{n} x {suffix}" for suffix, n in others.most_common(5)) or "nothing"
        raise LookalikeError(f"no images in {place}: looked for {', '.join(SUFFIXES)}, found {found}")
    with ThreadPoolExecutor(cores()) as pool:
        side = image_size or choose_side(set(pool.map(lambda file: header_size(place / file), files)))
        arrays = list(pool.map(lambda file: decode(place / file, side), files))
    skipped = tuple((file, a) for file, a in zip(files, arrays, strict=True) if isinstance(a, str))
    good = [(file, a) for file, a in zip(files, arrays, strict=True) if not isinstance(a, str)]
    if len(skipped) > _MOST_SKIPPED * len(files):
        examples = "; ".join(f"{file}: {reason}" for file, reason in skipped[:3])
        raise LookalikeError(f"{len(skipped)} of {len(files)} files in {place} cannot be read: {examples}")
    paths = tuple(file for file, _ in good)
    split = _split(paths)
    labels, classes = _labels(paths, split is not None)
    return Images(
        pixels=_stack([a for _, a in good]),
        paths=paths,
        labels=labels,
        classes=classes,
        split=split,
        name=place.resolve().name or "images",
        skipped=skipped,
    )


def walk(place: Path) -> Iterator[str]:
    """Relative paths (posix) of image files below a folder; a link back up is followed once only."""
    seen: set[tuple[int, int]] = set()
    for root, folders, files in os.walk(place, followlinks=True):
        status = Path(root).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()  # of two links to one folder the first by name is followed, on every file system
        for name in files:
            if name.lower().endswith(SUFFIXES) and (Path(root) / name).is_file():
                yield (Path(root) / name).relative_to(place).as_posix()


def header_size(path: Path) -> tuple[int, int] | None:
    """(width, height) from the header of an image file; None where it cannot be read."""
    try:
        with Image.open(path) as image:
            return image.size
    except Exception:  # a broken file: decode() will say what is wrong with it
        return None


def choose_side(sizes: set[tuple[int, int] | None]) -> int:
    """The images' own side where all are one small square, else 64 pixels."""
    sizes.discard(None)
    if len(sizes) == 1:
        width, height = next(iter(sizes)) or (0, 1)
        if width == height <= _NATIVE:
            return width
    return _SCALED


def decode(path: Path, side: int) -> np.ndarray | str:
    """Pixels uint8 [side, side, C] (C is 1 for grey images, else 3), or the reason why there are none.

    A JPEG is decoded at the smallest scale that still covers the square.
    """
    try:
        with Image.open(path) as image:
            image.draft(None, (side, side))
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):
                # 16-bit grey would be clipped by convert: keep its upper byte instead
                values = np.asarray(upright).astype(np.uint32)
                upright = Image.fromarray((values >> 8 if values.max() > 255 else values).astype(np.uint8))
            if upright.mode == "P" and isinstance(upright.info.get("transparency"), bytes):
                upright = upright.convert("RGBA")  # Pillow warns of the direct way
            upright = upright.convert("L" if upright.mode in ("L", "1", "F") else "RGB")
            fitted = ImageOps.fit(upright, (side, side), Image.Resampling.BILINEAR)
            return np.asarray(fitted).reshape(side, side, -1)
    except Exception as error:  # Pillow raises nearly anything on a broken file
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _stack(arrays: list[np.ndarray]) -> Tensor:
    """One tensor [N, C, S, S]: grey beside colour becomes colour."""
    channels = max(a.shape[2] for a in arrays)
    side = arrays[0].shape[0]
    out = torch.empty(len(arrays), channels, side, side, dtype=torch.uint8)
    for i, a in enumerate(arrays):
        out[i] = torch.from_numpy(a.copy()).permute(2, 0, 1)  # one channel broadcasts to three
    return out


def _split(paths: tuple[str, ...]) -> tuple[str, ...] | None:
    """train/test from the first folder of each path, where every image lies in one of them."""
    first = [_SPLITS.get(path.split("/", 1)[0]) if "/" in path else None for path in paths]
    if None in first or len(set(first)) < 2:
        return None
    return tuple(s for s in first if s is not None)


def _labels(paths: tuple[str, ...], has_split: bool) -> tuple[Tensor | None, tuple[str, ...]]:
    """Classes from the folders that hold the images, below the split; one class is none."""
    folders = ["/".join(path.split("/")[has_split:-1]) for path in paths]
    classes = tuple(sorted(set(folders)))
    if len(classes) < 2 or "" in classes:
        return None, ()
    code = {name: k for k, name in enumerate(classes)}
    return torch.tensor([code[f] for f in folders]), classes
