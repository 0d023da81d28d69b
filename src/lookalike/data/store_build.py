"""Filling a store: every image is decoded once, in threads; what is killed goes on where it was.

A store is built as KEY-M.partial and renamed when it is whole. Pixels are flushed to the disk before the index says
that they are there, so that an entry that is done stays done, whatever happens. Of two processes one builds and the
other waits for it; where a file system has no locks each builds, and the first to be done is kept.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from lookalike.core.budget import raise_if_too_long
from lookalike.core.errors import LookalikeError, MachineError
from lookalike.core.files import sync
from lookalike.core.locks import try_lock
from lookalike.core.machine import size_words
from lookalike.core.progress import phase, tell
from lookalike.core.thread_map import thread_map
from lookalike.core.words import counted
from lookalike.data.examined import Examined
from lookalike.data.header_scan import HeaderScan, scan_headers
from lookalike.data.image_index import ImageRef
from lookalike.data.quality import examine_all
from lookalike.data.store_format import (
    GOOD,
    NOT_DONE,
    RECORD,
    SKIPPED,
    Damaged,
    Index,
    Shape,
    Stored,
    canvases_path,
)

_SAVE = 5.0  # seconds between two states on the disk
_CHUNK = 512  # entries between two looks at the clock
_MARGIN = 1.05  # of the room that is asked for

Keep = Callable[[int, np.ndarray], None]
"""Takes the padded image (uint8 [C, M, M]) of an entry; called from several threads."""


def fill(entries: Sequence[ImageRef], index: Index, threads: int, keep: Keep | None, save: Callable[[], None]) -> None:
    """Decode what is not done yet; `save` is called now and then, and at the end however that comes about."""
    todo = np.flatnonzero(index.records["state"] == NOT_DONE)
    saved = time.monotonic()
    shape = index.shape

    def some(part: Sequence[int]) -> Sequence[int]:
        for i, (pixels, examined) in zip(
            part, examine_all([entries[i] for i in part], shape.canvas, shape.channels), strict=True
        ):
            record = index.records[i]
            if pixels is None:
                _record(record, examined, None)
                index.reasons[i] = examined.reason or ""
                record["state"] = SKIPPED
                continue
            padded = np.zeros((shape.channels, shape.canvas, shape.canvas), np.uint8)
            height, width = pixels.shape[:2]
            padded[:, :height, :width] = pixels.transpose(2, 0, 1)
            _record(record, examined, (height, width))
            if keep is not None:
                keep(i, padded)
            record["state"] = GOOD
        return part

    begun_at = time.monotonic()
    try:
        with phase("decoding images", len(entries), len(entries) - len(todo)) as p:
            for start in range(0, len(todo), _CHUNK):
                part = todo[start : start + _CHUNK].tolist()
                for _ in p.over(thread_map(some, part, threads)):
                    pass
                done = start + len(part)
                left = (time.monotonic() - begun_at) / done * (len(todo) - done)
                raise_if_too_long("decoding the images", left, "What is decoded is in the store" if keep else "")
                if time.monotonic() - saved > _SAVE:
                    save()
                    saved = time.monotonic()
    except BaseException:
        with suppress(OSError, MachineError):  # what failed first is told
            save()
        raise
    save()


def _record(record: np.void, examined: Examined, size: tuple[int, int] | None) -> None:
    if examined.header is not None:
        head = examined.header
        record["file_height"], record["file_width"] = head.height, head.width
        record["file_channels"], record["bits"], record["kind"] = head.channels, head.bits, head.kind.encode()
    if size is not None and examined.digest is not None:
        record["height"], record["width"] = size
        record["digest"] = np.frombuffer(examined.digest, np.uint8)
        record["spread"] = examined.spread


def begun(entries: Sequence[ImageRef], shape: Shape) -> Index:
    """An index of which nothing is done."""
    return Index(shape, np.zeros(len(entries), RECORD), {})


def opened(folder: Path, entries: int) -> tuple[Index, Stored] | None:
    """A whole store, or None where there is none.

    Raises:
        Damaged: there is one that cannot be used.
    """
    if not folder.is_dir():
        return None
    index = Index.read(folder, entries)
    return index, Stored(folder, index)


def build(
    place: Path, key: str, entries: Sequence[ImageRef], image_size: int | None, limit: int | None
) -> tuple[HeaderScan, Index, Stored]:
    """Open the store of an image index in a cache folder, or fill it first.

    Args:
        place: the cache folder; made where it is not there.
        key: of the index. KEY.json is its header scan, KEY-M its store with padded images of M pixels.
        entries: of the index.
        image_size: what the network sees, pixels; None: chosen by the images.
        limit: bytes that the store may take; None: half of the free disk.

    Raises:
        LookalikeError: no room, or the cache folder cannot be made or written; the message says what can be done.
    """
    path = place / f"{key}.json"

    def look(scan: HeaderScan) -> tuple[HeaderScan, Index, Stored] | None:
        store = opened(_folder(place, key, scan, image_size), len(entries))
        return None if store is None else (scan, *store)

    scan = HeaderScan.read(path)
    try:
        store = None if scan is None else look(scan)
    except Damaged as error:
        tell(f"the store of decoded images in {place} is damaged: {error}; it is built anew")
    else:
        if store is not None:
            return store
    try:
        place.mkdir(parents=True, exist_ok=True)
        with locked(place / f"{key}.lock") as alone:
            scan = HeaderScan.read(path)  # another process may have built it all meanwhile
            if scan is None:
                scan = scan_headers(entries)
                scan.write(path)
            try:
                store = look(scan)
            except Damaged:
                shutil.rmtree(_folder(place, key, scan, image_size))
                store = None
            if store is None:
                folder = _folder(place, key, scan, image_size)
                _build(folder, entries, scan, scan.side(image_size), limit, alone)
                store = look(scan)
    except (OSError, MachineError) as error:
        fault = error.__cause__ if isinstance(error.__cause__, OSError) else error
        reason = getattr(fault, "strerror", None) or fault
        raise MachineError(
            f"cannot write the store of decoded images in {place}: {reason}. What is done is kept "
            "and used by the next start. Free some room, name another folder with --cache, or go without: --no-store"
        ) from error
    assert store is not None
    return store


def _folder(place: Path, key: str, scan: HeaderScan, image_size: int | None) -> Path:
    return place / f"{key}-{scan.shape(scan.side(image_size)).canvas}"


def _build(
    folder: Path, entries: Sequence[ImageRef], scan: HeaderScan, side: int, limit: int | None, alone: bool
) -> None:
    """Fill a store. Where a file system has no locks (not `alone`) two processes may build the same, each its own."""
    suffix = "" if alone else f".{socket.gethostname()}-{os.getpid()}"
    partial = folder.with_name(f"{folder.name}{suffix}.partial")
    try:
        index = Index.read(partial, len(entries))
        done = int((index.records["state"] != NOT_DONE).sum())
        tell(f"going on with the store of decoded images: {done:,} of {len(entries):,} are done")
    except Damaged:
        shutil.rmtree(partial, ignore_errors=True)
        index = begun(entries, scan.shape(side))
    size = len(entries) * index.shape.bytes
    path = canvases_path(partial)
    bytes_on_disk = path.stat().st_blocks * 512 if path.exists() else 0
    _check_space(folder.parent, size, bytes_on_disk, limit, len(entries), index.shape, side)
    partial.mkdir(exist_ok=True)
    if bytes_on_disk == 0:
        tell(
            f"decoding {counted(len(entries), 'image')} into {folder} ({size_words(size)}); the next start "
            "finds them there"
        )
    file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        os.truncate(file, size)

        def keep(i: int, padded: np.ndarray) -> None:
            data, start = padded.data.cast("B"), i * index.shape.bytes
            while data:
                n = os.pwrite(file, data, start)
                data, start = data[n:], start + n

        def save() -> None:
            sync(file)
            index.write(partial)

        fill(entries, index, scan.threads, keep, save)
    finally:
        os.close(file)
    try:
        partial.rename(folder)
    except OSError:
        if alone or not folder.is_dir():
            raise
        shutil.rmtree(partial)  # another process was faster, and its pixels are the same


def _check_space(
    place: Path, size: int, bytes_on_disk: int, limit: int | None, n: int, shape: Shape, side: int
) -> None:
    """
    Raises:
        LookalikeError: the store would take more than `limit`, or more than is free.
    """
    free = shutil.disk_usage(place).free
    needed = int(_MARGIN * max(0, size - bytes_on_disk))
    words = (
        f"{counted(n, 'image')} of {shape.canvas} x {shape.canvas} pixels take {size_words(size)} in the store {place}"
    )
    remedies = (
        f"Train on smaller images (--image-size, now {side}), name another folder with --cache, "
        "or go without a store: --no-store"
    )
    if needed > free:
        raise LookalikeError(f"{words}, where {size_words(free)} are free. {remedies}")
    most = (free + bytes_on_disk) // 2 if limit is None else limit
    if size > most:
        allowed = "half of the free disk is" if limit is None else "--store-limit is"
        raise LookalikeError(f"{words}, and {allowed} {size_words(most)}. Allow more with --store-limit. {remedies}")


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock among processes, when others have given it back; it is given back when the process ends.

    Yields:
        Whether there are locks at all.
    """
    with open(path, "wb") as file:
        try:
            alone = try_lock(file.fileno())
        except BlockingIOError:
            with phase(f"waiting for another process, which is building the store {path.with_suffix('')}"):
                alone = try_lock(file.fileno(), wait=True)
        yield alone
