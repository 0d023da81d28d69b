"""CIFAR-10 (Krizhevsky 2009) from its Python or binary archive, packed or unpacked (`cifar10:DIR`).

The Python archive holds pickles. They are read by an unpickler that can build numpy arrays and plain
containers and nothing else, so a file that is not what it says cannot run anything.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from lookalike.core.errors import LookalikeError
from lookalike.core.words import counted
from lookalike.data.base import Images
from lookalike.data.download import fetch
from lookalike.data.tar import open_tar

_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
_RECORD = 1 + 3 * 32 * 32  # bytes of an image in the binary form: label, then red, green, blue planes
_LARGEST = 256 << 20  # bytes of a batch; the published ones have 30 million
_ARCHIVES = ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz", "cifar-10-python.tar", "cifar-10-binary.tar")
_FOLDERS = ("cifar-10-batches-py", "cifar-10-batches-bin", ".")


def load(place: Path, image_size: int | None = None, download: bool = False) -> Images:
    """Training and test split of CIFAR-10; `place` is the folder, or the archive itself."""
    read = _reader(place)
    if read is None and download:
        fetch([_URL], place / "cifar-10-binary.tar.gz", _MD5)
        read = _reader(place)
    if read is None:
        content = sorted(p.name for p in place.iterdir())[:8] if place.is_dir() else "no such folder"
        raise LookalikeError(
            f"cifar10:{place} holds neither {', nor '.join(_ARCHIVES[:2])}, nor their unpacked batches; "
            f"found there: {content}. Add --download to fetch it."
        )
    pixels, labels, split, paths = [], [], [], []
    for batch in _BATCHES:
        x, y = read(batch)
        part = "test" if batch == "test_batch" else "train"
        pixels.append(torch.from_numpy(x))
        labels.append(torch.from_numpy(y))
        split += [part] * len(x)
        paths += [f"{batch}/{i:05d}" for i in range(len(x))]
    return Images(
        pixels=torch.cat(pixels),
        paths=tuple(paths),
        labels=torch.cat(labels),
        classes=CLASSES,
        split=tuple(split),
        name="cifar10",
    )


_Reader = Callable[[str], tuple[np.ndarray, np.ndarray]]


def _reader(place: Path) -> _Reader | None:
    """A function that reads a batch by name from what `place` is, or None where nothing is there."""
    for folder in (place / f for f in _FOLDERS):
        for suffix in ("", ".bin"):
            if (folder / f"{_BATCHES[0]}{suffix}").is_file():
                return partial(_read_batch, folder, suffix)
    for archive in (place, *(place / name for name in _ARCHIVES)):
        if archive.is_file():
            members = _members(archive)
            return lambda name: _decode(_member(members, name, archive), f"{archive}:{name}")
    return None


def _read_batch(folder: Path, suffix: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    path = folder / f"{name}{suffix}"
    return _decode(_read_bytes(path), str(path))


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LookalikeError(f"cannot read {path}: {error.strerror}") from error


def _members(archive: Path) -> dict[str, bytes]:
    """The batches of an archive by name, read in memory: nothing is unpacked to the disk."""
    batches = {}
    try:
        with open_tar(archive) as tar:
            for member in tar.members():
                stem = Path(member.name).name.removesuffix(".bin")
                if member.isreg() and stem in _BATCHES:
                    if member.size > _LARGEST:
                        raise LookalikeError(f"{archive}: {stem} of {member.size:,} bytes is not CIFAR-10")
                    batches[stem] = tar.read(member)
    except LookalikeError:
        raise
    except Exception as error:  # a damaged archive raises nearly anything
        raise LookalikeError(f"{archive} is damaged or cut short: {error}; remove it and fetch it again") from error
    return batches


def _member(members: dict[str, bytes], name: str, archive: Path) -> bytes:
    if name not in members:
        raise LookalikeError(f"{archive} lacks {name}: cut short, or not CIFAR-10")
    return members[name]


def _decode(data: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, 3, 32, 32] and labels int64 [n] of a batch in either form."""
    if len(data) and len(data) % _RECORD == 0:
        records = np.frombuffer(data, np.uint8).reshape(-1, _RECORD)
        x, y = records[:, 1:], records[:, 0].astype(np.int64)
    else:
        x, y = _unpickle(data, where)
    if y.min() < 0 or y.max() > 9:
        raise LookalikeError(f"{where}: labels in {y.min()}..{y.max()}: not CIFAR-10")
    return np.ascontiguousarray(x).reshape(-1, 3, 32, 32).copy(), y


def _unpickle(data: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        batch = _ArraysOnly(io.BytesIO(data), encoding="bytes").load()
        x = np.asarray(batch[b"data"])
        y = np.asarray(batch[b"labels"], dtype=np.int64)
        if x.dtype != np.uint8 or x.shape[1:] != (_RECORD - 1,) or len(x) == 0:
            raise ValueError(f"an array {x.dtype} {x.shape}")
        if y.shape != (len(x),):
            raise ValueError(f"{counted(len(x), 'image')} but labels of shape {y.shape}")
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise LookalikeError(f"{where} is neither the binary nor the Python form of CIFAR-10: {error}") from error
    return x, y


class _ArraysOnly(pickle.Unpickler):
    """Builds numpy arrays and plain containers; refuses every other name."""

    def find_class(self, module: str, name: str) -> object:
        # numpy.core was renamed numpy._core; the archive's pickles name the old one
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np.zeros(0).__reduce__()[0]
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        if module == "_codecs" and name == "encode":  # how protocol 2 spells bytes
            import _codecs

            return _codecs.encode
        raise pickle.UnpicklingError(f"refused to load {module}.{name}")
