"""Image files: all those below a folder, or some that are named one by one."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lookalike.core.errors import LookalikeError
from lookalike.core.passed_over import FOLDER, PassedOver, Tally, sentences, suffixes, why_not
from lookalike.core.progress import Phase, phase
from lookalike.data import npy
from lookalike.data.decode import Unreadable, open_image, reason_of
from lookalike.data.image_index import ImageIndex, ImageRef, Raw
from lookalike.data.kinds import HEAD, reason_by_bytes, reason_by_suffix, suffix_of
from lookalike.data.layout import image_index_of, why_ignored
from lookalike.data.own_output import foreign, is_own_file, is_own_folder, lies_in_own_folder

_NAMED = (".jpg", ".png", ".webp", ".tif", ".gif", ".bmp", ".npy")  # in a message
_READABLE = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH  # by everybody: nothing more need be asked
_ENOUGH = 1_000  # files of an unknown suffix that are opened before it is held to mean no images
_KINDS = (
    (stat.S_ISFIFO, "a pipe, no file"),
    (stat.S_ISSOCK, "a socket, no file"),
    (stat.S_ISCHR, "a device, no file"),
    (stat.S_ISBLK, "a device, no file"),
    (stat.S_ISDIR, "a folder by an image's name"),
)


class NoImages(LookalikeError):
    """A folder, or files that were named, hold no images."""

    def __init__(self, message: str, passed_over: tuple[PassedOver, ...] = (), refused: int = 0) -> None:
        super().__init__(message)
        self.passed_over = passed_over
        self.only_own = bool(passed_over) and not refused and all(kind.reason == "own" for kind in passed_over)
        """Whether there is nothing but what lookalike wrote."""


def image_index(place: Path) -> ImageIndex:
    """The images below a folder, and how many of what else; a link back up is followed once only.

    Files are told by their suffix. Only those of an unknown one, or of none, are opened for their first bytes.

    Raises:
        NoImages: there are none; the message says what was found.
    """
    content = _FolderContent()
    with phase("listing files") as p:
        _walk(os.fspath(place), content, p)
    passed_over = content.others.result()
    if not content.entries:
        loud, quiet = sentences(kind for kind in passed_over if kind.reason != "other")
        what = suffixes(kind for kind in passed_over if kind.reason not in ("hidden", "trash", "own"))
        looked = f"no images in {place}: looked for {', '.join(_NAMED)} and others, found {what or 'nothing'}"
        if content.refused:
            looked += "; not readable: " + "; ".join(f"{name}: {reason}" for name, reason in content.refused[:3])
        for sentence in (*loud, *quiet):
            looked += f". {sentence}"
        raise NoImages(looked, passed_over, len(content.refused))
    return image_index_of(content.entries, place.resolve().name, content.refused, content.notes, passed_over)


def files(paths: Sequence[Path]) -> ImageIndex:
    """Image files named one by one; their names are relative to the folder that all of them lie in.

    Raises:
        NoImages: none of them can be listed.
    """
    absolute = sorted({Path(os.path.normpath(path.absolute())) for path in paths})
    base = Path(os.path.commonpath([path.parent for path in absolute]))
    entries, refused = [], []
    others = Tally()
    own_by_folder: dict[Path, bool] = {}
    for path in absolute:
        name = path.relative_to(base).as_posix()
        if lies_in_own_folder(path.parent, own_by_folder) or is_own_file(os.fspath(path), path.name):
            others.add("own", suffix_of(name), name)
            continue
        entry = file_entry(name, os.fspath(path))
        if isinstance(entry, ImageRef):
            entries.append(entry)
        else:
            refused.append((name, entry))
    if not entries:
        why = [f"{name!r}: {reason}" for name, reason in refused[:3]] + sentences(others.result())[1]
        raise NoImages("none can be read: " + "; ".join(why), others.result(), len(refused))
    return image_index_of(
        entries, base.name if len(absolute) > 1 else absolute[0].stem, refused, passed_over=others.result()
    )


def file_entry(name: str, path: str, status: os.stat_result | None = None) -> ImageRef | str:
    """The entry of a file, or the reason why it cannot be one. The file is not opened."""
    try:
        status = status or Path(path).stat()
    except (OSError, ValueError) as error:
        broken = isinstance(error, FileNotFoundError) and Path(path).is_symlink()
        return "a link to nothing" if broken else reason_of(error)
    if not stat.S_ISREG(status.st_mode):
        return next((words for is_kind, words in _KINDS if is_kind(status.st_mode)), "no file")
    if status.st_mode & _READABLE != _READABLE and not os.access(path, os.R_OK):
        return "no permission to read it"
    return ImageRef(name, (status.st_size, status.st_mtime_ns), partial(open_file, path))


def named_entry(name: str, path: str) -> ImageRef | str:
    """The entry of a file that somebody has named, by its suffix or its first bytes; or why it cannot be one."""
    reason = reason_by_suffix(suffix_of(name))
    if reason:
        return why_not(reason) or "no image by its name"
    entry = file_entry(name, path)
    if reason is None and isinstance(entry, ImageRef):
        reason = kind_by_bytes(path)
        return (why_not(reason) or "no image by its first bytes") if reason else entry
    return entry


def kind_by_bytes(path: str) -> str:
    """What the first bytes of a file say (`kinds.reason_by_bytes`); "other" where it cannot be opened."""
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return "other"
    try:
        return reason_by_bytes(os.read(file, HEAD))
    except OSError:
        return "other"
    finally:
        os.close(file)


def open_file(path: str) -> Raw:
    """An image file or a .npy file, opened.

    Raises:
        Unreadable: it is empty, no image, damaged at its beginning, or a picture that lookalike made.
        OSError: it is gone or may not be read.
    """
    if Path(path).stat().st_size == 0:
        raise Unreadable("empty (0 bytes)")
    if not path.lower().endswith(".npy"):
        return foreign(open_image(path))
    return npy.opened(path)


@dataclass
class _FolderContent:
    entries: list[ImageRef] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: Tally = field(default_factory=Tally)
    opened: Counter[str] = field(default_factory=Counter)
    """Files of each unknown suffix that were opened and are no images."""
    met: set[str] = field(default_factory=set)
    """Unknown suffixes that images have."""


def _walk(place: str, content: _FolderContent, counting: Phase) -> None:
    """List a folder and those below it in the order of their names, each once, whatever links lead to it."""
    seen: dict[tuple[int, int], str] = {}
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        folder = os.path.join(place, prefix)  # noqa: PTH118 - a name that begins with a slash is none
        try:
            status = os.stat(folder)  # noqa: PTH116
            if (status.st_dev, status.st_ino) in seen:
                first = seen[status.st_dev, status.st_ino] or "the folder itself"
                content.notes.append(f"{prefix!r} leads to {first!r} again, which is read once")
                continue
            seen[status.st_dev, status.st_ino] = prefix.rstrip("/")
            with os.scandir(folder) as listed:
                inside = sorted(listed, key=lambda item: item.name)
        except OSError as error:
            if not prefix:
                raise LookalikeError(f"cannot read the folder {place}: {error.strerror}") from error
            content.refused.append((prefix, f"this folder cannot be read: {error.strerror}"))
            continue
        names = {item.name for item in inside}
        if is_own_folder(folder, names):
            if not prefix:
                content.others.add("own", FOLDER, Path(place).name)
                raise NoImages(
                    f"{place} was written by lookalike, which is no input: name a folder of images",
                    content.others.result(),
                )
            content.others.add("own", FOLDER, prefix)
            continue
        if not inside and prefix:
            content.others.add("empty", FOLDER, prefix)
        below = [prefix + item.name + "/" for item in _sorted_in(inside, prefix, content)]
        waiting += reversed(below)
        counting.step(len(inside))


def _sorted_in(inside: Iterable[os.DirEntry[str]], prefix: str, content: _FolderContent) -> Iterator[os.DirEntry[str]]:
    """Put files where they belong; gives back the folders."""
    for item in inside:
        name = prefix + item.name
        ignored = why_ignored(item.name)
        if ignored is not None:
            content.others.add(ignored, suffix_of(item.name) if ignored == "cloud" else item.name, name)
            continue
        try:
            is_folder = item.is_dir()
        except OSError:  # a link to itself
            is_folder = False
        if is_folder:
            yield item
            continue
        suffix = suffix_of(item.name)
        reason = reason_by_suffix(suffix)
        if reason is None:
            reason = _by_bytes(item, suffix, content)
        if reason == "" and is_own_file(item.path, item.name):
            reason = "own"
        if reason:
            content.others.add(reason, suffix, name)
            continue
        try:
            status = item.stat()
        except OSError:
            status = None  # file_entry says why
        entry = file_entry(name, item.path, status)
        if isinstance(entry, ImageRef):
            content.entries.append(entry)
        else:
            content.refused.append((name, entry))


def _by_bytes(item: os.DirEntry[str], suffix: str, content: _FolderContent) -> str:
    """What the first bytes say. Where many of an unknown suffix were no images and none was, no more are opened."""
    try:
        if not item.is_file() or (content.opened[suffix] >= _ENOUGH and suffix not in content.met):
            return "other"
    except OSError:
        return "other"
    reason = kind_by_bytes(item.path)
    if reason:
        content.opened[suffix] += 1
    else:
        content.met.add(suffix)
    return reason
