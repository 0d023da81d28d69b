"""Arrays as text of a JSON object, and numbers that JSON has no word for."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import TypedDict

import numpy as np


class Packed(TypedDict):
    """An array, little-endian."""

    dtype: str
    shape: list[int]
    base64: str


def packed(array: np.ndarray, dtype: str) -> Packed:
    """An array as an object of JSON."""
    plain = np.ascontiguousarray(array, np.dtype(dtype).newbyteorder("<"))
    return {"dtype": dtype, "shape": list(plain.shape), "base64": base64.b64encode(plain.tobytes()).decode()}


def unpacked(value: Packed) -> np.ndarray:
    """The array of what `packed` made."""
    data = base64.b64decode(value["base64"])
    return np.frombuffer(data, np.dtype(value["dtype"]).newbyteorder("<")).reshape(value["shape"])


def data_uri(kind: str, data: bytes) -> str:
    """Bytes as an address of their own, such as of an image/png."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def plain_object(table: Mapping[str, object]) -> dict[str, object]:
    """An object of JSON with NaN and infinite numbers as null, as JSON has none."""
    return {str(key): plain(item) for key, item in table.items()}


def plain(value: object) -> object:
    """A value of JSON, as `plain_object` has them."""
    if isinstance(value, dict):
        return plain_object(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
