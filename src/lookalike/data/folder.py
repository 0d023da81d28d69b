"""Image files: all those below a folder, or some that are named one by one."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lookalike.core.errors import LookalikeError
from lookalike.data import npy
from lookalike.data.decode import Unreadable, open_image, reason_of
from lookalike.data.layout import SUFFIXES, counted, is_image, is_junk, listing_of
from lookalike.data.listing import Entry, Listing, Raw

_KINDS = (
    (stat.S_ISFIFO, "a pipe, no file"),
    (stat.S_ISSOCK, "a socket, no file"),
    (stat.S_ISCHR, "a device, no file"),
    (stat.S_ISBLK, "a device, no file"),
    (stat.S_ISDIR, "a folder by an image's name"),
)


def listing(place: Path) -> Listing:
    """The images below a folder; nothing is opened, and a link back up is followed once only.

    Raises:
        LookalikeError: there are none; the message says what was found.
    """
    found = _Found()
    _walk(os.fspath(place), found)
    if not found.entries:
        looked = f"no images in {place}: looked for {', '.join(SUFFIXES)}, found {counted(found.others)}"
        if found.refused:
            looked += "; not readable: " + "; ".join(f"{name}: {reason}" for name, reason in found.refused[:3])
        if any(name.lower().endswith((".tar", ".zip")) for name in found.others):
            looked += f"; archives are read when they are named, as in '{place}/*.tar'"
        raise LookalikeError(looked)
    return listing_of(found.entries, place.resolve().name, found.refused, found.notes)


def files(paths: Sequence[Path]) -> Listing:
    """Image files named one by one; their names are relative to the folder that all of them lie in.

    Raises:
        LookalikeError: none of them can be listed.
    """
    absolute = sorted({Path(os.path.normpath(path.absolute())) for path in paths})
    base = Path(os.path.commonpath([path.parent for path in absolute]))
    entries, refused = [], []
    for path in absolute:
        name = path.relative_to(base).as_posix()
        found = file_entry(name, os.fspath(path))
        if isinstance(found, Entry):
            entries.append(found)
        else:
            refused.append((name, found))
    if not entries:
        raise LookalikeError("none can be read: " + "; ".join(f"{name!r}: {reason}" for name, reason in refused[:3]))
    return listing_of(entries, base.name if len(absolute) > 1 else absolute[0].stem, refused)


def file_entry(name: str, path: str, status: os.stat_result | None = None) -> Entry | str:
    """The entry of a file, or the reason why it cannot be one. The file is not opened."""
    try:
        status = status or Path(path).stat()
    except (OSError, ValueError) as error:
        broken = isinstance(error, FileNotFoundError) and Path(path).is_symlink()
        return "a link to nothing" if broken else reason_of(error)
    if not stat.S_ISREG(status.st_mode):
        return next((words for is_kind, words in _KINDS if is_kind(status.st_mode)), "no file")
    if not os.access(path, os.R_OK):
        return "no permission to read it"
    return Entry(name, (status.st_size, status.st_mtime_ns), partial(open_file, path))


def open_file(path: str) -> Raw:
    """An image file or a .npy file, opened.

    Raises:
        Unreadable: it is empty, no image, or damaged at its beginning.
        OSError: it is gone or may not be read.
    """
    if Path(path).stat().st_size == 0:
        raise Unreadable("empty (0 bytes)")
    if not path.lower().endswith(".npy"):
        return open_image(path)
    return npy.opened(path)


@dataclass
class _Found:
    entries: list[Entry] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def _walk(place: str, found: _Found) -> None:
    """List a folder and those below it in the order of their names, each once, whatever links lead to it."""
    seen: dict[tuple[int, int], str] = {}
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        folder = Path(place, prefix)
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                first = seen[status.st_dev, status.st_ino] or "the folder itself"
                found.notes.append(f"{prefix!r} leads to {first!r} again, which is read once")
                continue
            seen[status.st_dev, status.st_ino] = prefix.rstrip("/")
            with os.scandir(folder) as listed:
                inside = sorted(listed, key=lambda item: item.name)
        except OSError as error:
            if not prefix:
                raise LookalikeError(f"cannot read the folder {place}: {error.strerror}") from error
            found.refused.append((prefix, f"this folder cannot be read: {error.strerror}"))
            continue
        below = [prefix + item.name + "/" for item in _sorted_in(inside, prefix, found)]
        waiting += reversed(below)


def _sorted_in(inside: Iterable[os.DirEntry[str]], prefix: str, found: _Found) -> Iterator[os.DirEntry[str]]:
    """Put files where they belong; gives back the folders."""
    for item in inside:
        if is_junk(item.name):
            continue
        try:
            is_folder = item.is_dir()
        except OSError:  # a link to itself
            is_folder = False
        if is_folder:
            yield item
        elif is_image(item.name):
            try:
                status = item.stat()
            except OSError:
                status = None  # file_entry says why
            entry = file_entry(prefix + item.name, item.path, status)
            if isinstance(entry, Entry):
                found.entries.append(entry)
            else:
                found.refused.append((prefix + item.name, entry))
        else:
            found.others.append(item.name)
