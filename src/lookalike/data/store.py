"""From an image index to images: decoded once into a store that the next run finds again, or when asked for.

A store is found by a hash of the names and stamps of its index and by the size of its padded images. Classes and
splits are not in it, nor the place of the index: they are read anew each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import overload

import numpy as np
import torch
from torch import Tensor

from lookalike.core.errors import LookalikeError
from lookalike.core.home import cache_home, can_be_written, expand_user, temporary_cache
from lookalike.core.machine import available_bytes, parse_bytes, processes_here
from lookalike.core.progress import tell
from lookalike.core.words import counted
from lookalike.data.base import Images, LoadConfig
from lookalike.data.decode import Header, decoders
from lookalike.data.examined import Examined
from lookalike.data.header_scan import HeaderScan, scan_headers
from lookalike.data.image_index import ImageIndex, ImageRef
from lookalike.data.lazy_images import LazyImages
from lookalike.data.padded import PaddedImages
from lookalike.data.quality import MOST_BAD, quality_of, too_many_bad
from lookalike.data.store_build import begun, build, fill
from lookalike.data.store_format import FORMAT, GOOD, SKIPPED, Index, Shape

_SHARE = 4  # images are held in memory where they take less than this part of what is free


def load(image_index: ImageIndex, image_size: int | None = None, config: LoadConfig | None = None) -> Images:
    """The images of an index. Those that cannot be read are in `skipped`; `examined` has a record of each.

    Args:
        image_index: from a source.
        image_size: side of the square that the network sees; None: chosen by the images (`header_scan.py`).
        config: whether and where decoded images are kept.

    Raises:
        LookalikeError: no space for the store, or too many images cannot be read.
    """
    config = config or LoadConfig()
    if config.store:
        limit = None if config.limit is None else parse_bytes(config.limit)
        key = key_of(image_index)
        scan, index, stored = build(_store_place(config, key), key, image_index.entries, image_size, limit)
        image_index = scan.with_further(image_index)
        _check(image_index, index, config)
        padded_images: Tensor | PaddedImages = stored[:] if _fits(index) else stored
    else:
        scan = scan_headers(image_index.entries)
        image_index = scan.with_further(image_index)
        index, padded_images = _unstored(image_index, scan, scan.shape(scan.side(image_size)), config)
    return replace(_images(image_index, index, padded_images), side=scan.side(image_size), colour=scan.colour)


def cache_folder(named: str | None) -> Path:
    """Where stores are kept: the folder that was named, the user's, or a temporary one where that cannot be written.

    Raises:
        LookalikeError: there is no such folder at all.
    """
    if named is not None:
        return expand_user(named)
    home = cache_home()
    if home is not None and can_be_written(home / "lookalike"):
        return home / "lookalike"
    try:
        return temporary_cache()
    except OSError as error:
        raise LookalikeError(
            "there is no folder for decoded images, not even a temporary one: name one with --cache or "
            "XDG_CACHE_HOME, or go without: --no-store"
        ) from error


def _store_place(config: LoadConfig, key: str) -> Path:
    """The cache folder for the store of an index; a store in a folder that can only be read is used all the same."""
    home = cache_home()
    if config.cache is None and home is not None and (home / "lookalike" / f"{key}.json").is_file():
        return home / "lookalike"
    place = cache_folder(config.cache)
    remark = None if config.cache is not None else temporary_remark(place)
    if remark is not None:
        tell(remark)
    return place


def temporary_remark(place: Path) -> str | None:
    """What to say of a cache folder that nobody named, where it is a temporary one, with the remedy."""
    home = cache_home()
    if home is not None and place == home / "lookalike":
        return None
    why = "this user has no home folder" if home is None else f"{home / 'lookalike'} cannot be written"
    return (
        f"{why}: decoded images are kept in {place}, where they can be lost; name a folder of yours with --cache or "
        "XDG_CACHE_HOME"
    )


def cache_size(folder: Path) -> tuple[int, int]:
    """How many stores a cache folder holds, and the bytes that they take on the disk."""
    stores = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return len(stores), sum(file.stat().st_blocks * 512 for path in stores for file in path.iterdir())


def key_of(image_index: ImageIndex) -> str:
    """The name of the stores of an index."""
    hasher = hashlib.blake2b(digest_size=16)
    hasher.update(repr((FORMAT, decoders())).encode())
    for entry in image_index.entries:
        hasher.update(repr((entry.name, entry.stamp)).encode())
    return hasher.hexdigest()


def _fits(index: Index) -> bool:
    size = int((index.records["state"] == GOOD).sum()) * index.shape.bytes
    return size < available_bytes() // processes_here() // _SHARE


def _unstored(
    image_index: ImageIndex, scan: HeaderScan, shape: Shape, config: LoadConfig
) -> tuple[Index, Tensor | PaddedImages]:
    """Decode every image once. Keep the pixels where all of them fit into memory."""
    entries = image_index.entries
    index = begun(entries, shape)
    small = len(entries) * shape.bytes < available_bytes() // processes_here() // _SHARE
    held = np.zeros((len(entries) if small else 0, shape.channels, shape.canvas, shape.canvas), np.uint8)

    def keep(i: int, padded: np.ndarray) -> None:
        held[i] = padded

    if not small:
        tell(f"decoding {counted(len(entries), 'image')} to know them, and then whenever they are needed")
    fill(entries, index, scan.threads, keep if small else None, lambda: None)
    _check(image_index, index, config)
    good = np.flatnonzero(index.records["state"] == GOOD)
    if small:
        return index, torch.from_numpy(held if len(good) == len(held) else held[good])
    return index, LazyImages([entries[i] for i in good], shape)


def _check(image_index: ImageIndex, index: Index, config: LoadConfig) -> None:
    """
    Raises:
        LookalikeError: too many images cannot be read, or all of them.
    """
    bad = int((index.records["state"] == SKIPPED).sum()) + len(image_index.refused)
    listed = len(index.records) + len(image_index.refused)
    if bad > MOST_BAD * listed or bad == listed:
        too_many_bad(
            quality_of(image_index, Findings(image_index.entries, index)), 1.0 if config.skip_bad else MOST_BAD
        )


def _images(image_index: ImageIndex, index: Index, padded_images: Tensor | PaddedImages) -> Images:
    records = index.records
    rows = np.flatnonzero(records["state"] == GOOD)
    if len(rows) == 0:
        raise LookalikeError(f"{image_index.name} holds no images")
    sizes = np.stack([records["height"][rows], records["width"][rows]], 1)
    labels, classes = None, tuple(sorted({label for label in image_index.labels or () if label is not None}))
    if image_index.labels is not None and classes:
        code: dict[str | None, int] = {name: k for k, name in enumerate(classes)}
        labels = torch.tensor([code.get(image_index.labels[i], -1) for i in rows])
    skipped = [(image_index.entries[i].name, reason) for i, reason in sorted(index.reasons.items())]
    return Images(
        pixels=padded_images,
        paths=tuple(image_index.entries[i].name for i in rows),
        labels=labels,
        classes=classes,
        split=None if image_index.split is None else tuple(image_index.split[i] for i in rows),
        name=image_index.name,
        skipped=(*image_index.refused, *skipped),
        sizes=None if (sizes == index.shape.canvas).all() else torch.from_numpy(sizes.astype(np.int32)),
        known_digests=records["digest"][rows],
        examined=Findings(image_index.entries, index),
        listed=image_index,
    )


class Findings(Sequence[Examined]):
    """A record of each entry of an index, in its order; made from the store's records when it is indexed."""

    def __init__(self, entries: Sequence[ImageRef], index: Index) -> None:
        self._entries, self._index = entries, index

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, i: int) -> Examined: ...
    @overload
    def __getitem__(self, i: slice) -> list[Examined]: ...
    def __getitem__(self, i: int | slice) -> Examined | list[Examined]:
        if isinstance(i, slice):
            return [self[k] for k in range(len(self))[i]]
        i = range(len(self))[i]
        state, _, _, digest, spread, height, width, channels, bits, kind = self._index.records[i].item()
        header = Header(width, height, channels, bits, kind.decode()) if width else None
        digest_bytes = digest.tobytes() if state == GOOD else None
        return Examined(self._entries[i].name, header, self._index.reasons.get(i), digest_bytes, spread)
