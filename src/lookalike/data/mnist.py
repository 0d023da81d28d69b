"""MNIST and whatever else comes as its four idx files, gzipped or not (`mnist:DIR`).

The idx format (LeCun, Cortes, Burges): two zero bytes, a type byte (8: unsigned), the number of
dimensions, each dimension as a big-endian 32-bit integer, then the values.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch

from lookalike.core.errors import LookalikeError
from lookalike.core.words import counted
from lookalike.data.base import Images
from lookalike.data.download import fetch

_HOSTS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
_FILES = {  # name without .gz -> MD5 of the .gz as published
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}
_LARGEST = 4 << 30  # bytes a header may promise


def load(place: Path, image_size: int | None = None, download: bool = False) -> Images:
    """Training and test split of the idx files in a folder."""
    if download:
        for name, md5 in _FILES.items():
            if _find(place, name) is None:
                fetch([host + name + ".gz" for host in _HOSTS], place / f"{name}.gz", md5)
    missing = [name for name in _FILES if _find(place, name) is None]
    if missing:
        content = sorted(p.name for p in place.iterdir())[:8] if place.is_dir() else "no such folder"
        raise LookalikeError(
            f"mnist:{place} lacks {', '.join(missing)} (.gz or unpacked); found there: {content}. "
            "Add --download to fetch them."
        )
    pixels, labels, split, paths = [], [], [], []
    for part, prefix in (("train", "train"), ("test", "t10k")):
        x = _read(place, f"{prefix}-images-idx3-ubyte", 3)
        y = _read(place, f"{prefix}-labels-idx1-ubyte", 1)
        if len(x) != len(y):
            raise LookalikeError(f"mnist:{place}: {counted(len(x), f'{part} image')} but {counted(len(y), 'label')}")
        pixels.append(torch.from_numpy(x)[:, None])
        labels.append(torch.from_numpy(y).long())
        split += [part] * len(x)
        paths += [f"{part}/{i:05d}" for i in range(len(x))]
    if not split:
        raise LookalikeError(f"mnist:{place} holds no images")
    if pixels[0].shape[1:] != pixels[1].shape[1:]:
        raise LookalikeError(f"mnist:{place}: training images are {pixels[0].shape[2:]}, test {pixels[1].shape[2:]}")
    y_N = torch.cat(labels)
    return Images(
        pixels=torch.cat(pixels),
        paths=tuple(paths),
        labels=y_N,
        classes=tuple(str(c) for c in range(int(y_N.max()) + 1)),
        split=tuple(split),
        name="mnist",
    )


def _find(place: Path, name: str) -> Path | None:
    return next((p for p in (place / name, place / f"{name}.gz") if p.is_file()), None)


def _read(place: Path, name: str, dimensions: int) -> np.ndarray:
    path = _find(place, name)
    assert path is not None  # load() has looked
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            head = file.read(4 + 4 * dimensions)
            promised = math.prod(_shape(head, dimensions))
            data = head + file.read(min(promised, _LARGEST) + 1)  # no more, whatever it would unpack to
    except (OSError, EOFError, MemoryError, zlib.error) as error:
        raise LookalikeError(f"{path} is damaged or cut short: {error}; remove it and fetch it again") from error
    return read_idx(data, dimensions, str(path))


def read_idx(data: bytes, dimensions: int, where: str) -> np.ndarray:
    """The uint8 array of an idx file; `where` names it in errors."""
    if len(data) < 4 + 4 * dimensions or data[:4] != bytes([0, 0, 8, dimensions]):
        raise LookalikeError(
            f"{where} is no idx file of unsigned bytes with {dimensions} dimensions "
            f"(it starts with {data[:4].hex(' ') or 'nothing'})"
        )
    shape = _shape(data, dimensions)
    size = math.prod(shape)
    values = len(data) - 4 - 4 * dimensions
    if size > _LARGEST or size != values:
        raise LookalikeError(f"{where} promises {' x '.join(map(str, shape))} values but holds {values}: cut short?")
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape).copy()


def _shape(head: bytes, dimensions: int) -> tuple[int, ...]:
    """What an idx header promises; nothing where it is cut short."""
    numbers = head[4 : 4 + 4 * dimensions]
    return struct.unpack(f">{dimensions}I", numbers) if len(numbers) == 4 * dimensions else (0,)
