"""Images of any form as crops of one size, with the channels that a network was trained on where that is sound."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lookalike.core.words import counted
from lookalike.data.array import from_array
from lookalike.data.base import Images, LoadConfig, fitted
from lookalike.data.image_index import NoneReadable
from lookalike.data.layout import is_image
from lookalike.data.loading import load as load_images
from lookalike.data.padded import CenterCrops
from lookalike.data.sequence import Items, from_sequence
from lookalike.data.store import load as load_index
from lookalike.inputs.containers import FORMS, holds_image, plain
from lookalike.inputs.value_range import InputError, Scale, levels

_GREY = (19595, 38470, 7471)  # weights of red, green and blue in 65,536ths, as Pillow's convert("L") has them
_NAMED = 3  # unreadable images that a message names


def as_array(X: object) -> np.ndarray | None:
    """X as an array where it is one: an array, a tensor, a table, nested lists of numbers; None for anything else."""
    if isinstance(X, Tensor):
        x = X.detach().cpu()
        return (x.float() if x.dtype == torch.bfloat16 else x).numpy()  # numpy has no bfloat16
    if isinstance(X, str | os.PathLike | Image.Image | Images):
        return None
    if isinstance(X, np.ndarray):
        if X.dtype == object and X.ndim > 2:
            try:
                return np.array(X.tolist())
            except ValueError:  # of several shapes
                return X
        return None if X.dtype.kind in "UST" or (X.dtype == object and X.ndim == 1) else X
    if hasattr(X, "__array__") and not isinstance(X, list | tuple):
        return np.asarray(X)
    if isinstance(X, list | tuple) and len(X) and not holds_image(X[0]):
        try:
            array = np.asarray(X)
        except ValueError:  # of several shapes
            return None
        return None if array.dtype.kind in "USTO" else array
    return None


def read(
    X: object,
    image_size: int | None = None,
    scale: Scale | None = None,
    download: bool = False,
    broken: dict[int, str] | None = None,
) -> Images:
    """The images of X as center crops of one size.

    Args:
        X: DATA as on the command line (a folder, FILE.npy, digits...), an image file, a sequence or a column of paths,
            PIL images, arrays or tensors (of tuples the first item counts, as datasets give them), an array or a tensor
            [N, H, W], [N, H, W, C] or [N, C, H, W], or `Images`.
        image_size: side of the crops, pixels; None: the images' own where they are small squares, else 64; of an
            array its shorter side.
        scale: of the numbers of arrays.
        download: fetch `mnist:` or `cifar10:` where they are missing.
        broken: of a sequence, is given the rows that cannot be read, with the reasons; the others are the result. None:
            one that cannot be read is an error.

    Raises:
        LookalikeError: nothing is there, or something in it is no image; says what.
    """
    X = plain(X)
    if isinstance(X, Images):
        return _squared(X, image_size)
    if isinstance(X, str | os.PathLike) and not _is_file_of_image(X):
        return load_images(os.fspath(X), image_size, download)
    array = as_array(X)
    if array is not None:
        if array.ndim not in (3, 4) or 0 in array.shape:
            raise InputError(f"images must be [N, H, W], [N, H, W, C] or [N, C, H, W], got {list(array.shape)}")
        return _squared(from_array(levels(array, scale)), image_size)
    items = [X] if isinstance(X, str | os.PathLike | Image.Image) else _items(X)
    return _from_items(items, image_size, scale, broken)


def one_image(X: object) -> bool:
    """Whether X is a single image: an image file, a PIL image, an array [H, W], [H, W, 1], [H, W, 3] or [H, W, 4]."""
    if isinstance(X, Image.Image):
        return True
    if isinstance(X, str | os.PathLike):
        return _is_file_of_image(X)
    shape = getattr(X, "shape", None)
    return shape is not None and (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4)))


def entering(images: Images, channels: int) -> tuple[Tensor | CenterCrops, str]:
    """Center crops (uint8 [N, channels, S, S]) for a network of so many channels, and what was done to them in words.

    Raises:
        InputError: channels that cannot soundly be brought to those.
    """
    image_channels = images.shape[0]
    if image_channels == channels:
        return images.center_crops, ""
    if image_channels == 1 and channels == 3:
        x = images.center_crops[:].expand(-1, 3, -1, -1)
        return x, "grey images were given to a network for colour: each channel is the grey"
    if image_channels == 3 and channels == 1:
        return grey(
            images.center_crops[:]
        ), "colour images were given to a network for grey ones: their colour was left out"
    raise InputError(
        f"the network was trained on images of {counted(channels, 'channel')}, these have {image_channels}; "
        "only grey and colour (1 and 3) are converted into each other"
    )


def grey(x_NCHW: Tensor) -> Tensor:
    """uint8 [N, 1, H, W] of colours [N, 3, H, W]: luma as ITU-R 601 has it, the same bits as Pillow's."""
    red, green, blue = (x_NCHW[:, c].int() * weight for c, weight in enumerate(_GREY))
    return ((red + green + blue + (1 << 15)) >> 16).to(torch.uint8)[:, None]


def warn(message: str) -> None:
    """Warn the caller of what was done to images; an empty message warns of nothing."""
    if message:
        warnings.warn(message, UserWarning, stacklevel=4)


# -- sequences ------------------------------------------------------------------------------------


def _is_file_of_image(X: str | os.PathLike[str]) -> bool:
    return is_image(os.fspath(X)) and Path(X).suffix != ".npy" and Path(X).is_file()


def _items(X: object) -> list[object]:
    if not isinstance(X, Items):
        raise InputError(f"{type(X).__name__} is not taken as images: {FORMS}")
    items = plain([X[i] for i in range(len(X))])
    assert isinstance(items, list)  # as a list was given
    return [item[0] if isinstance(item, tuple) else item for item in items]


def _from_items(
    items: Sequence[object], image_size: int | None, scale: Scale | None, broken: dict[int, str] | None
) -> Images:
    if not items:
        raise InputError("no images: the sequence is empty")
    names = [_name(item, i) for i, item in enumerate(items)]
    try:
        image_index = from_sequence([_as_levels(item, i, scale) for i, item in enumerate(items)])
        images = load_index(image_index, image_size, LoadConfig(store=False, skip_bad=True))
    except NoneReadable as error:
        raise InputError(_broken_message(names, error.refused)) from error
    bad = {_row(name): reason for name, reason in images.skipped}
    if bad and broken is None:  # rows of the result are those of the sequence, so none can be passed over
        raise InputError(_broken_message(names, images.skipped))
    if broken is not None:
        broken |= bad
    return replace(images, paths=_unique([name for row, name in enumerate(names) if row not in bad]))


def _row(name: str) -> int:
    """The row of an item, by the name that its entry has."""
    return int(name.split()[0].rsplit("/", 1)[1])


def _broken_message(names: Sequence[str], skipped: Sequence[tuple[str, str]]) -> str:
    reasons = [f"{names[row]}: {reason}" for row, reason in sorted((_row(name), reason) for name, reason in skipped)]
    if len(names) == 1:
        return f"cannot read the image {reasons[0]}"
    more = f"; and {len(reasons) - _NAMED} more" if len(reasons) > _NAMED else ""
    return f"{len(reasons)} of {counted(len(names), 'image')} cannot be read: {'; '.join(reasons[:_NAMED])}{more}"


def _as_levels(item: object, row: int, scale: Scale | None) -> object:
    """Arrays and tensors as bytes; files and pictures as they are."""
    array = None if isinstance(item, str | os.PathLike | Image.Image) else as_array(item)
    if array is None:
        return item
    if array.ndim not in (2, 3):
        raise InputError(f"an image must be an array [H, W], [H, W, C] or [C, H, W], got {list(array.shape)}")
    try:
        array = levels(array[None], scale)
    except InputError as error:
        raise InputError(f"image {row}: {error}") from error
    pixels = from_array(array).pixels[:][0].permute(1, 2, 0).numpy()
    return np.ascontiguousarray(pixels)


def _name(item: object, i: int) -> str:
    return os.fspath(item) if isinstance(item, str | os.PathLike) else f"image {i}"


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """The names, with a number behind those that occurred before."""
    count: Counter[str] = Counter()
    unique = []
    for name in names:
        count[name] += 1
        unique.append(name if count[name] == 1 else f"{name} ({count[name]})")
    return tuple(unique)


def _squared(images: Images, image_size: int | None) -> Images:
    if image_size is None or image_size == images.shape[1] or not isinstance(images.pixels, Tensor):
        return images
    return fitted(images, image_size)
