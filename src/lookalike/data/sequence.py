"""Images from Python: any sequence or torch Dataset of pictures, arrays, tensors or paths."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from lookalike.core.errors import LookalikeError
from lookalike.data.decode import Unreadable, channels_last, header
from lookalike.data.folder import file_entry, open_file
from lookalike.data.image_index import ImageIndex, ImageRef, NoneReadable, Raw


@runtime_checkable
class Items(Protocol):
    """What is asked of a sequence; a torch Dataset has both."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> object: ...


def from_sequence(items: Items, name: str = "images") -> ImageIndex:
    """Images of a sequence, each read when it is needed, from several threads.

    Args:
        items: of Pillow images, paths, arrays [H, W], [H, W, C] or [C, H, W], or tensors [H, W] or [C, H, W]; or of
            tuples and lists whose first item is one of these and whose second, where it is an integer or a text, is
            its label. Labels are taken from `items.targets` where there are as many, else by going through once.
        name: for run folders, and before the number in each image's name.

    Raises:
        LookalikeError: there are none, or the first of them is none of these.
    """
    try:
        n = len(items)
    except TypeError as error:
        raise LookalikeError(
            f"{name}: a sequence has a length, {type(items).__name__} has none; make a list of it"
        ) from error
    if n == 0:
        raise LookalikeError(f"{name} holds no images")
    first = _get(items, 0, name)
    if not _is_picture(_picture(first)):
        raise LookalikeError(
            f"{name}: items are {type(_picture(first)).__name__}; give images of Pillow, paths, arrays, tensors, or "
            "tuples that begin with one"
        )
    token = uuid.uuid4().hex  # nothing says whether an item is what it was in another run
    entries: list[ImageRef] = []
    labels: list[str | None] = []
    refused: list[tuple[str, str]] = []
    targets = _targets(items, n)
    look = isinstance(first, tuple | list) and targets is None
    for i in range(n):
        item = _peek(items, i, look)
        entry: ImageRef | str = ImageRef(f"{name}/{i:07d}", (token, i), partial(_open, items, i))
        picture = _picture(item)
        if isinstance(picture, str | os.PathLike):
            entry = file_entry(f"{name}/{i:07d}", os.fspath(picture))
        if isinstance(entry, str):
            refused.append((f"{name}/{i:07d} ({picture})", entry))
            continue
        entries.append(entry)
        labels.append(targets[i] if targets is not None else _label(item))
    if not entries:
        reasons = "; ".join(f"{n}: {why}" for n, why in refused[:3])
        raise NoneReadable(f"{name}: none can be read: {reasons}", refused)
    return ImageIndex(
        entries=tuple(entries),
        name=name,
        labels=tuple(labels) if any(label is not None for label in labels) else None,
        refused=tuple(refused),
    )


def _get(items: Items, index: int, name: str) -> object:
    try:
        return items[index]
    except Exception as error:  # whatever the sequence's own code raises
        raise LookalikeError(f"{name}: the first item cannot be had: {type(error).__name__}: {error}") from error


def _peek(items: Items, index: int, look: bool) -> object:
    """The item where looking at it costs nothing or must be; else None."""
    if not look and not isinstance(items, list | tuple):
        return None
    try:
        return items[index]
    except Exception:
        return None  # it will be unreadable when it is opened, with the reason


def _targets(items: Items, n: int) -> list[str | None] | None:
    targets = getattr(items, "targets", None)
    if targets is None or isinstance(targets, str | Mapping):
        return None
    try:
        codes = targets.tolist() if hasattr(targets, "tolist") else list(targets)
    except TypeError:
        return None
    classes = getattr(items, "classes", None)
    names = list(classes) if isinstance(classes, list | tuple) else []
    return [_spoken(code, names) for code in codes] if len(codes) == n else None


def _spoken(code: object, names: list[object]) -> str | None:
    if isinstance(code, int) and 0 <= code < len(names):
        return str(names[code])
    return str(code) if isinstance(code, int | str) and code != "" and code != -1 else None


def _label(item: object) -> str | None:
    if not isinstance(item, tuple | list) or len(item) < 2:
        return None
    value = item[1]
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):  # a number of numpy or torch
        value = value.item()
    return _spoken(value, [])


def _picture(item: object) -> object:
    return item[0] if isinstance(item, tuple | list) and len(item) else item


def _is_picture(value: object) -> bool:
    return isinstance(value, Image.Image | np.ndarray | str | os.PathLike | _Tensor)


@runtime_checkable
class _Tensor(Protocol):
    """What is like a tensor of PyTorch."""

    def detach(self) -> _Tensor: ...
    def cpu(self) -> _Tensor: ...
    def numpy(self) -> np.ndarray: ...


def _open(items: Items, index: int) -> Raw:
    value = _picture(items[index])
    if isinstance(value, Image.Image):
        header(value)  # too large, and it is not decoded
        return value.copy()  # decoding closes what it is given, and this is somebody else's
    if isinstance(value, str | os.PathLike):
        return open_file(str(Path(value)))
    if isinstance(value, _Tensor):
        array = value.detach().cpu().numpy()
        return array.transpose(1, 2, 0) if array.ndim == 3 else array
    if isinstance(value, np.ndarray):
        return channels_last(value)
    raise Unreadable(f"a {type(value).__name__} is no image")
