"""What Python's containers hold: columns of tables, arrays of names, iterators become lists of images in their order.

Tables of other libraries are known by what they can do and not by their types, so that none of them is imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import PurePath

import numpy as np
from PIL import Image
from torch import Tensor

from lookalike.core.words import counted
from lookalike.data.base import Images
from lookalike.inputs.value_range import InputError

FORMS = (
    "give a folder, a list of paths or PIL images, a column of paths, an array [N, H, W], [N, H, W, C] or "
    "[N, C, H, W], or rows of numbers"
)


def plain(X: object) -> object:
    """X without its container, in its order: a list of images, or X itself where it is an array of numbers or DATA.

    Args:
        X: anything. A pandas, polars or pyarrow column, an array of texts or objects, an iterator and a table of one
            column become lists; bytes become the paths that they spell.

    Raises:
        InputError: what has no order (a dict, a set), is not to be had (an open file, a loader of batches), or holds no
            images in some rows; says what to give.
    """
    if isinstance(X, bytes):
        return _path(X, 0)
    if isinstance(X, str | os.PathLike | Image.Image | Images | Tensor):
        return X
    _raise_no_images(X)
    if isinstance(X, np.ndarray):
        return _of_array(X)
    if isinstance(X, list | tuple):
        return _checked(X)
    if hasattr(X, "tocsr"):  # a sparse matrix
        return X
    if hasattr(X, "__array__"):
        return _of_table(X)
    if isinstance(X, Iterable) and not (hasattr(X, "__len__") and hasattr(X, "__getitem__")):
        return _checked(list(X))
    return X


def holds_image(item: object) -> bool:
    """Whether an item of a list is an image rather than a row of numbers; of a tuple, its first part."""
    if isinstance(item, tuple) and item:
        return isinstance(item[0], np.ndarray) or holds_image(item[0])
    return isinstance(item, str | bytes | os.PathLike | Image.Image | Tensor)


def _raise_no_images(X: object) -> None:
    name = type(X).__name__
    if isinstance(X, Mapping):
        keys = ", ".join(map(repr, list(X)[:4]))
        first = next(iter(X), "KEY")
        raise InputError(
            f"a {name} (keys {keys}) is not taken as images: give one of its values, X[{first!r}], or a list"
        )
    if isinstance(X, AbstractSet) and not hasattr(X, "mapping"):  # the views of a dict are in its order
        raise InputError(f"a {name} is not taken as images, as it has no order: give sorted(X), a list")
    if hasattr(X, "read") and hasattr(X, "seek"):
        raise InputError(f"an open file ({name}) is not taken as images: give its path, or Image.open(X)")
    if hasattr(X, "dataset") and hasattr(X, "batch_size"):
        raise InputError(f"a {name} gives batches: give its data set, X.dataset")
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise InputError("some values of a masked array are missing: fill them in, X.filled(0)")


def _of_array(X: np.ndarray) -> object:
    if X.dtype.kind not in "SUTO" or X.ndim == 0:
        return X
    flat = X.ndim == 1 or (X.ndim == 2 and X.shape[1] == 1)
    if flat and (X.dtype.kind != "O" or X.ndim == 1 or any(map(holds_image, X[:, 0]))):
        return _checked(list(X.reshape(-1)))
    if X.ndim == 2 and X.size and isinstance(X[0, 0], str | bytes | PurePath):
        raise InputError(
            f"an array of {counted(X.shape[1], 'column')} of text is not taken as images: give that of the "
            "paths, X[:, 0]"
        )
    return X


def _of_table(X: object) -> object:
    try:
        array = np.asarray(X)
    except Exception as error:  # of a GPU, or of what its library cannot lay out
        raise InputError(f"a {type(X).__name__} cannot be made an array ({error}): {FORMS}") from error
    columns = list(getattr(X, "columns", ()))
    if array.ndim == 2 and array.shape[1] > 1 and array.size and any(map(holds_image, array[0])):
        texts = [str(name) for name, cell in zip(columns, array[0], strict=False) if holds_image(cell)] or ["NAME"]
        raise InputError(
            f"a table of {counted(array.shape[1], 'column')} ({', '.join(map(str, columns[:8]))}) is not taken "
            "as images: give "
            f"the column of the paths, such as X[{texts[0]!r}]"
        )
    result = _of_array(array)
    return result if isinstance(result, list) else X  # scikit-learn takes the names of features from it


def _checked(items: Sequence[object]) -> object:
    """Items with bytes as paths; each must be something."""
    if not items or not any(map(_is_strange, items)):
        return items
    empty = [i for i, item in enumerate(items) if _is_missing(item)]
    present = [item for item in items if not _is_missing(item)]
    numbers = bool(present) and all(isinstance(item, float | int) for item in present)
    if empty and not numbers:
        more = f" and {len(empty) - 1:,} more" if len(empty) > 1 else ""
        raise InputError(f"no image in row {empty[0]}{more} ({items[empty[0]]!r}): leave such rows out")
    table = next((item for item in items if isinstance(item, Mapping)), None)
    if table is not None:
        key = next((key for key in table if key in ("image", "img", "path", "file_name")), next(iter(table), "KEY"))
        raise InputError(
            f"items are dicts with the keys {', '.join(map(repr, table))}: give a list of one, item[{key!r}]"
        )
    return [_path(item, i) if isinstance(item, bytes) else item for i, item in enumerate(items)]


def _is_strange(item: object) -> bool:
    return isinstance(item, bytes | Mapping) or _is_missing(item)


def _is_missing(item: object) -> bool:
    """None, NaN, or what pandas has for them."""
    return item is None or (isinstance(item, float) and item != item) or type(item).__name__ in ("NAType", "NaTType")


def _path(item: bytes, row: int) -> str:
    if b"\0" in item:
        raise InputError(
            f"item {row} is the content of a file and no path: open it, Image.open(io.BytesIO(item)), or give the path"
        )
    return os.fsdecode(item)
