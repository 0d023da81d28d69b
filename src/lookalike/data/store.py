"""From a listing to images: decoded once into a store that the next run finds again, or when asked for.

The store of a listing is found by a hash of its names and their stamps and by the size of its canvases. Classes and
splits are not in it, nor where the listing came from: they are read anew each time.
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
from lookalike.data.base import Images, Loading
from lookalike.data.canvas import Canvases
from lookalike.data.decode import Header, decoders
from lookalike.data.examined import Examined
from lookalike.data.fly import Decoded
from lookalike.data.health import MOST_BAD, health_of, too_many_bad
from lookalike.data.listing import Entry, Listing
from lookalike.data.store_build import begun, build, fill
from lookalike.data.store_format import FORMAT, GOOD, SKIPPED, Index, Shape
from lookalike.data.survey import Survey, survey

_SHARE = 4  # images are held in memory where they take less than this part of what is free


def load(listing: Listing, image_size: int | None = None, config: Loading | None = None) -> Images:
    """The images of a listing. Those that cannot be read are in `skipped`; `examined` has a record of each.

    Args:
        listing: from a source.
        image_size: side of the square that the network sees; None: chosen by the images (`survey.py`).
        config: whether and where decoded images are kept.

    Raises:
        LookalikeError: no room for the store, or too much of the listing cannot be read.
    """
    config = config or Loading()
    if config.store:
        limit = None if config.limit is None else parse_bytes(config.limit)
        key = key_of(listing)
        scan, index, stored = build(_store_place(config, key), key, listing.entries, image_size, limit)
        listing = scan.with_further(listing)
        _check(listing, index, config)
        canvases: Tensor | Canvases = stored[:] if _fits(index) else stored
    else:
        scan = survey(listing.entries)
        listing = scan.with_further(listing)
        index, canvases = _unstored(listing, scan, scan.shape(scan.side(image_size)), config)
    return replace(_images(listing, index, canvases), side=scan.side(image_size), colour=scan.colour)


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


def _store_place(config: Loading, key: str) -> Path:
    """The cache folder for the store of a listing; a store in a folder that can only be read is used all the same."""
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


def key_of(listing: Listing) -> str:
    """What the stores of a listing are called."""
    hasher = hashlib.blake2b(digest_size=16)
    hasher.update(repr((FORMAT, decoders())).encode())
    for entry in listing.entries:
        hasher.update(repr((entry.name, entry.stamp)).encode())
    return hasher.hexdigest()


def _fits(index: Index) -> bool:
    size = int((index.records["state"] == GOOD).sum()) * index.shape.bytes
    return size < available_bytes() // processes_here() // _SHARE


def _unstored(listing: Listing, scan: Survey, shape: Shape, config: Loading) -> tuple[Index, Tensor | Canvases]:
    """Decode every image once. Keep the pixels where all of them fit into memory."""
    entries = listing.entries
    index = begun(entries, shape)
    small = len(entries) * shape.bytes < available_bytes() // processes_here() // _SHARE
    held = np.zeros((len(entries) if small else 0, shape.channels, shape.canvas, shape.canvas), np.uint8)

    def keep(i: int, canvas: np.ndarray) -> None:
        held[i] = canvas

    if not small:
        tell(f"decoding {counted(len(entries), 'image')} to know them, and then whenever they are needed")
    fill(entries, index, scan.threads, keep if small else None, lambda: None)
    _check(listing, index, config)
    good = np.flatnonzero(index.records["state"] == GOOD)
    if small:
        return index, torch.from_numpy(held if len(good) == len(held) else held[good])
    return index, Decoded([entries[i] for i in good], shape)


def _check(listing: Listing, index: Index, config: Loading) -> None:
    """
    Raises:
        LookalikeError: too many images cannot be read, or all of them.
    """
    bad = int((index.records["state"] == SKIPPED).sum()) + len(listing.refused)
    listed = len(index.records) + len(listing.refused)
    if bad > MOST_BAD * listed or bad == listed:
        too_many_bad(health_of(listing, Findings(listing.entries, index)), 1.0 if config.skip_bad else MOST_BAD)


def _images(listing: Listing, index: Index, canvases: Tensor | Canvases) -> Images:
    records = index.records
    rows = np.flatnonzero(records["state"] == GOOD)
    if len(rows) == 0:
        raise LookalikeError(f"{listing.name} holds no images")
    sizes = np.stack([records["height"][rows], records["width"][rows]], 1)
    labels, classes = None, tuple(sorted({label for label in listing.labels or () if label is not None}))
    if listing.labels is not None and classes:
        code: dict[str | None, int] = {name: k for k, name in enumerate(classes)}
        labels = torch.tensor([code.get(listing.labels[i], -1) for i in rows])
    skipped = [(listing.entries[i].name, reason) for i, reason in sorted(index.reasons.items())]
    return Images(
        pixels=canvases,
        paths=tuple(listing.entries[i].name for i in rows),
        labels=labels,
        classes=classes,
        split=None if listing.split is None else tuple(listing.split[i] for i in rows),
        name=listing.name,
        skipped=(*listing.refused, *skipped),
        sizes=None if (sizes == index.shape.canvas).all() else torch.from_numpy(sizes.astype(np.int32)),
        known_digests=records["digest"][rows],
        examined=Findings(listing.entries, index),
        listed=listing,
    )


class Findings(Sequence[Examined]):
    """What decoding told of each entry of a listing, in its order; made from the store's records when asked for."""

    def __init__(self, entries: Sequence[Entry], index: Index) -> None:
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
