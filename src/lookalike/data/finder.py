"""Files that a list names, found where they are: as they are written, or as they must have been meant."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

from lookalike.core.names import spelt_in
from lookalike.core.tables import readable
from lookalike.core.words import counted
from lookalike.data.layout import is_image

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".npy")  # those that are left out
_DRIVE = re.compile(r"[A-Za-z]:")


class Finder:
    """Finds the paths of one list. What fits one path is tried first for the next."""

    def __init__(self, base: Path) -> None:
        """`base` is the folder of the list."""
        self._base = base
        self._dropped = 0  # folders at the beginning of a path of another machine
        self._changes: Counter[str] = Counter()
        self._example: dict[str, tuple[str, str]] = {}

    def find(self, path: str) -> str:
        """The path of an existing file, relative to the folder of the list or absolute; else `path` as it is."""
        if "://" in path or self._is_file(path):
            return path
        spelt = spelt_in(self._base, path)
        if self._is_file(spelt):
            return spelt
        for change, candidate in self._candidates(path):
            if self._is_file(candidate):
                self._changes[change] += 1
                self._example.setdefault(change, (path, candidate))
                return candidate
        return path

    def notes(self, where: str) -> list[str]:
        """What was changed in paths, a sentence for each kind of change."""
        return [
            f"{counted(n, 'path')} of {where} {change}, such as {self._example[change][0]!r}: "
            f"{self._example[change][1]!r} is read"
            for change, n in self._changes.items()
        ]

    def _is_file(self, path: str) -> bool:
        try:
            place = os.path.join(self._base, path)  # noqa: PTH118 - a Path takes ten times as long, for each line
            return os.path.lexists(place) and not os.path.isdir(place)  # noqa: PTH112
        except (OSError, ValueError):  # a name that no system allows
            return False

    def _candidates(self, path: str) -> list[tuple[str, str]]:
        plain = path.strip().strip("\"'")
        candidates = [("have blanks or quotes around them", plain)] if plain != path else []
        if readable(plain) != plain:
            plain = readable(plain)
            candidates.append(("are written in cp1252", plain))
        if "\\" in plain:
            plain = _DRIVE.sub("", plain.replace("\\", "/"), count=1)
            candidates.append(("are written with backslashes", plain))
        if not plain.startswith("/"):
            candidates.append(("are relative to the working folder", os.path.abspath(plain)))  # noqa: PTH100 - of no link
        parts = [part for part in plain.split("/") if part not in ("", ".", "..")]
        drops = dict.fromkeys((self._dropped, *range(len(parts))))
        for drop in (drop for drop in drops if 0 < drop < len(parts)):
            end = "/".join(parts[drop:])
            if self._is_file(end):
                self._dropped = drop
                candidates.append(("are of another place, and their end is here", end))
                break
        return candidates + self._with_suffix(plain)

    def _with_suffix(self, plain: str) -> list[tuple[str, str]]:
        if is_image(plain):
            return []
        suffixes = [spelt for suffix in _SUFFIXES for spelt in (suffix, suffix.upper())]
        existing = [plain + suffix for suffix in suffixes if self._is_file(plain + suffix)]
        return [("lack their suffix", existing[0])] if len(existing) == 1 else []
