"""Labels as people hand them over in Python: a value for each image, all of one kind and none missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from sklearn.utils import column_or_1d
from torch import Tensor

from lookalike.core.words import counted
from lookalike.inputs import InputError

_SHOWN = 5  # rows named in a message


def checked_targets(y: object, n: int) -> np.ndarray:
    """y as an array [n] of one kind: numbers, booleans or texts.

    Args:
        y: a list, an array, a tensor or a column of a table.
        n: images that it is of.

    Raises:
        InputError: a label is missing (None, NaN, pandas' NA), labels are of several kinds, or there are not n of them;
            says in which rows.
    """
    if isinstance(y, Mapping):
        raise InputError("y is a dict: give its values in the order of the images, a list")
    if isinstance(y, Tensor):
        y = y.detach().cpu().numpy()
    elif not hasattr(y, "__array__") and not hasattr(y, "__len__") and isinstance(y, Iterable):
        y = list(y)
    if isinstance(y, list | tuple) and any(map(_is_odd, y)) and not all(isinstance(label, str) for label in y):
        y = _objects(y)  # numpy would make texts of None beside texts, and of numbers beside them
    elif not isinstance(y, list | tuple):
        y = np.asarray(y)  # a column of a table with kinds of its own becomes objects
    y_N: np.ndarray = column_or_1d(y, warn=True)
    if len(y_N) != n:
        raise InputError(f"y has {counted(len(y_N), 'label')} for {counted(n, 'image')}: give one for each")
    if y_N.dtype.kind == "f" and not np.isfinite(y_N).all():
        missing = np.flatnonzero(np.isnan(y_N)).tolist()
        if missing:
            raise _missing(missing, "NaN")
        raise InputError(
            f"Input y contains infinity in {_rows(np.flatnonzero(np.isinf(y_N)).tolist())}: no class is that"
        )
    if y_N.dtype.kind in "mM" and np.isnat(y_N).any():
        raise _missing(np.flatnonzero(np.isnat(y_N)).tolist(), "NaT")
    if y_N.dtype.kind == "S":
        raise InputError("y holds bytes: give texts, y.astype(str)")
    return _of_one_kind(y_N) if y_N.dtype.kind == "O" else y_N


def raise_other_kind(y: np.ndarray, classes: np.ndarray) -> None:
    """
    Raises:
        InputError: labels are texts where the classes are numbers, or the other way about.
    """
    texts = y.dtype.kind in "UTO", classes.dtype.kind in "UTO"
    if texts[0] != texts[1]:
        kinds = ["texts" if text else "numbers" for text in texts]
        raise InputError(
            f"y holds {kinds[0]} and the classes are {kinds[1]} ({', '.join(map(repr, classes[:3].tolist()))}): score "
            "against labels of the kind that was fitted"
        )


def _objects(y: Sequence[object]) -> np.ndarray:
    result = np.empty(len(y), object)
    result[:] = y
    return result


def _is_odd(label: object) -> bool:
    return isinstance(label, str | bytes) or _is_missing(label)


def _of_one_kind(y: np.ndarray) -> np.ndarray:
    missing = [row for row, label in enumerate(y) if _is_missing(label)]
    if missing:
        raise _missing(missing, "NaN" if isinstance(y[missing[0]], float) else repr(y[missing[0]]))
    kinds: dict[str, int] = {}
    for row, label in enumerate(y):
        kinds.setdefault(_kind(label), row)
    if len(kinds) > 1:
        mixed = " and ".join(f"{kind} (row {row})" for kind, row in list(kinds.items())[:3])
        raise InputError(f"y mixes {mixed}: give labels of one kind, such as texts, [str(label) for label in y]")
    kind = next(iter(kinds), "text")
    if kind == "bytes":
        raise InputError("y holds bytes: give texts, [label.decode() for label in y]")
    return y if kind == "text" or kind not in ("number", "boolean") else np.array(y.tolist())


def _kind(label: object) -> str:
    if isinstance(label, bool | np.bool_):
        return "boolean"
    if isinstance(label, int | float | np.number):
        return "number"
    return {"str": "text", "str_": "text", "bytes": "bytes", "bytes_": "bytes"}.get(
        type(label).__name__, type(label).__name__
    )


def _is_missing(label: object) -> bool:
    """None, NaN, or what pandas has for them."""
    return (
        label is None
        or (isinstance(label, float | np.floating) and bool(label != label))
        or type(label).__name__ in ("NAType", "NaTType")
    )


def _missing(rows: list[int], what: str) -> InputError:
    return InputError(
        f"Input y contains NaN or no label: {_rows(rows)} ({what}); give each image a label, or leave these images out"
    )


def _rows(rows: list[int]) -> str:
    listed = ", ".join(map(str, rows[:_SHOWN])) + (", ..." if len(rows) > _SHOWN else "")
    return f"row{'' if len(rows) == 1 else 's'} {listed}"
