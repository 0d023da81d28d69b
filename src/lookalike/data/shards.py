"""Labels of WebDataset shards: files of the image's own name, up to the first dot, say what it shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

_KINDS = ("cls", "json", "txt")  # what is believed first
_KEYS = ("label", "cls", "class")
_LONGEST = 1 << 16  # bytes of a file that may say a label
_LONGEST_LABEL = 64


def is_sidecar(name: str) -> bool:
    """Whether a member may say the label of an image beside it."""
    return name.rsplit(".", 1)[-1].lower() in _KINDS


def labels_of_shards(
    names: Sequence[str], sidecars: Mapping[str, Callable[[], bytes]]
) -> tuple[str | None, ...] | None:
    """A label for each image name from `KEY.cls`, or `KEY.json` with a `label`, or `KEY.txt`; None where none says one.

    A .txt is as often a caption as a label: it counts where at most half as many texts as images differ.
    """
    by_key: dict[tuple[str, str], Callable[[], bytes]] = {}
    for name, read in sidecars.items():
        by_key[_key(name), name.rsplit(".", 1)[-1].lower()] = read
    for kind in _KINDS:
        labels = tuple(_label(kind, by_key.get((_key(name), kind))) for name in names)
        present = [label for label in labels if label is not None]
        if present and (kind != "txt" or 2 * len(set(present)) <= len(present)):
            return labels
    return None


def _key(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.split(".", 1)[0]


def _label(kind: str, read: Callable[[], bytes] | None) -> str | None:
    if read is None:
        return None
    try:
        data = read()
        text = data.decode() if len(data) <= _LONGEST else ""
        if kind == "json":
            table = json.loads(text)
            value = next((table[key] for key in _KEYS if key in table), None) if isinstance(table, dict) else None
            text = str(value) if isinstance(value, str | int) else ""
    except Exception:  # a damaged label is none; the image may be whole
        return None
    text = text.strip()
    return text if text and len(text) <= _LONGEST_LABEL and "\n" not in text else None
