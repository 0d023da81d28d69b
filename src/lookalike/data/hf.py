"""Images of Hugging Face `datasets` (`hf:NAME_OR_PATH[:SPLIT]`): by name from the hub, or as saved to a folder."""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Protocol, overload

import numpy as np
from PIL import Image

from lookalike.core.errors import LookalikeError
from lookalike.core.progress import phase
from lookalike.data.decode import Unreadable, channels_last, open_image
from lookalike.data.image_index import ImageIndex, ImageRef, Raw
from lookalike.data.layout import SPLITS

_NAMES = ("image", "img")
_SAVED = ("dataset_dict.json", "dataset_info.json", "state.json")  # what save_to_disk leaves in a folder


class Table(Protocol):
    """One split of a data set, as far as it is used here; the library may not be installed."""

    @property
    def features(self) -> Mapping[str, object]:
        """The kind of each column, by name."""
        ...

    def __len__(self) -> int: ...

    @overload
    def __getitem__(self, row: int, /) -> Mapping[str, object]: ...
    @overload
    def __getitem__(self, column: str, /) -> Iterable[object]: ...

    def select_columns(self, column_names: list[str]) -> Table:
        """The table with these columns alone."""
        ...

    def cast_column(self, column: str, feature: object) -> Table:
        """The table with a column of another kind."""
        ...


def image_index(place: str) -> ImageIndex:
    """The images of a data set, of one split where it is named (`NAME:test`), else of all of them.

    Raises:
        LookalikeError: the library is not installed, the data set cannot be loaded, or it has no images.
    """
    try:
        library = importlib.import_module("datasets")
    except ModuleNotFoundError as error:
        raise LookalikeError(f"hf:{place} needs the library datasets: pip install 'lookalike[hf]'") from error
    name, colon, part = place.rpartition(":")
    if not colon or Path(place).exists():
        name, part = place, ""
    if not name:
        raise LookalikeError("name a data set after hf:, as in hf:mnist, hf:mnist:test or hf:FOLDER")
    with phase(f"loading hf:{place}"):
        parts = _load(library, name, part)
    entries: list[ImageRef] = []
    labels: list[str | None] = []
    for key, table in parts.items():
        column = _image_column(table, name)
        pictures = _undecoded(library, table, column)
        stamp = str(getattr(table, "_fingerprint", "")) or f"{name}:{key}"
        entries += [
            ImageRef(f"{key}/{i:07d}", (stamp, key, i), partial(_open, pictures, column, i)) for i in range(len(table))
        ]
        labels += _labels(table)
    if not entries:
        raise LookalikeError(f"hf:{place} holds no images")
    split = tuple(SPLITS.get(entry.name.split("/", 1)[0], "train") for entry in entries)
    return ImageIndex(
        entries=tuple(entries),
        name=Path(name).name,
        labels=tuple(labels) if any(label is not None for label in labels) else None,
        split=split if len(set(split)) > 1 else None,
    )


def _load(library: ModuleType, name: str, part: str) -> dict[str, Table]:
    """Tables by the names of their splits."""
    try:
        if Path(name).is_dir() and any((Path(name) / file).exists() for file in _SAVED):
            dataset = library.load_from_disk(name)
            if part and isinstance(dataset, dict):
                dataset = dataset[part]
        else:
            dataset = library.load_dataset(name, split=part or None)
    except Exception as error:  # network, names, formats: the library raises its own of many kinds
        text = str(error).strip().splitlines()
        raise LookalikeError(f"cannot load hf:{name}: {text[0] if text else type(error).__name__}") from error
    return dict(sorted(dataset.items())) if isinstance(dataset, dict) else {part or "train": dataset}


def _image_column(table: Table, name: str) -> str:
    features = dict(table.features)
    typed = [column for column, kind in features.items() if type(kind).__name__ == "Image"]
    named = [column for column in features if column in _NAMES]
    if not typed and not named:
        raise LookalikeError(f"hf:{name} has no column of images, only {', '.join(features) or 'none'}")
    return (typed or named)[0]


def _undecoded(library: ModuleType, table: Table, column: str) -> Table:
    """The table with the image column alone, as files where it can be, so that they are decoded as all others are."""
    table = table.select_columns([column])
    if type(table.features[column]).__name__ == "Image":
        table = table.cast_column(column, library.Image(decode=False))
    return table


def _labels(table: Table) -> list[str | None]:
    column = next((c for c, kind in dict(table.features).items() if type(kind).__name__ == "ClassLabel"), None)
    if column is None:
        return [None] * len(table)
    names: list[str] = list(getattr(table.features[column], "names", ()))
    codes = list(table[column])
    return [names[code] if isinstance(code, int) and 0 <= code < len(names) else None for code in codes]


def _open(table: Table, column: str, row: int) -> Raw:
    value = table[row][column]
    if isinstance(value, dict):
        if value.get("bytes"):
            return open_image(io.BytesIO(value["bytes"]))
        if value.get("path"):
            return open_image(value["path"])
        raise Unreadable("neither bytes nor a path")
    if isinstance(value, bytes):
        return open_image(io.BytesIO(value))
    if isinstance(value, Image.Image):
        return value.copy()  # the library may keep the image, and decoding closes it
    return channels_last(np.asarray(value))
