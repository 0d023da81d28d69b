"""Folders of the user, also of one without any: no HOME, no entry among the system's users, a home to be read only."""

from __future__ import annotations

import os
import stat
import tempfile
from functools import cache
from pathlib import Path


def expand_user(path: str | os.PathLike[str]) -> Path:
    """A path with its ~ written out; as it is where nobody knows whose folder that would be."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def cache_home() -> Path | None:
    """Where programs of this user keep what can be made again; None where the user has no place at all."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    if Path(named).is_absolute():  # others are to be ignored, by the specification
        return Path(named)
    home = expand_user("~")
    return home / ".cache" if home.is_absolute() else None


def can_be_written(folder: Path) -> bool:
    """Whether a folder is there and can be written, or could be made."""
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
    except OSError:  # a folder above may not be entered
        return False
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


@cache
def temporary_cache() -> Path:
    """A cache folder below the system's temporary folder, which this user finds again and nobody else can use.

    Its name is no secret, so another user may have made it before. A folder that others can use is not taken: a new
    one replaces it until the process ends.

    Raises:
        OSError: there is no temporary folder.
    """
    user = os.getuid() if hasattr(os, "getuid") else None
    if user is not None:
        folder = Path(tempfile.gettempdir(), f"lookalike-{user}")
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            status = folder.lstat()  # not of what a link points to
            if stat.S_ISDIR(status.st_mode) and status.st_uid == user and not status.st_mode & 0o077:
                return folder
        except OSError:
            pass
    return _passing_folder()


def _passing_folder() -> Path:
    held = tempfile.TemporaryDirectory(prefix="lookalike-")  # goes with the process
    _held.append(held)
    return Path(held.name)


_held: list[tempfile.TemporaryDirectory[str]] = []
