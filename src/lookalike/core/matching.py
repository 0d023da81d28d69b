"""Paths as people write them, matched to the names that images have."""

from __future__ import annotations

import ntpath
import os
import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from lookalike.core.names import composed
from lookalike.core.tables import readable

_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")


class Matcher:
    """Finds the row of an image by a path that somebody wrote.

    Tried in this order, and the first that fits counts: the name as it is; written otherwise (backslashes, `./`,
    composed letters, cp1252, `%20`); from the folder of the list, or absolute, below a folder that the images lie in;
    by its end, where that tells one image (`photos/a/1.jpg` and `1.jpg` for `a/1.jpg`); without a suffix; in other
    capitals.
    """

    def __init__(self, names: Sequence[str], roots: Iterable[Path] = ()) -> None:
        """
        Args:
            names: of the images, as index.csv has them.
            roots: folders that names are relative to.
        """
        self.names = names
        self._roots = [os.path.realpath(root) for root in roots]
        self._exact = {name: row for row, name in enumerate(names)}

    def row(self, path: str, folder: Path | None = None) -> int | None:
        """The row of a path, or None where it is of no image, or of several.

        Args:
            path: as it is written.
            folder: of the file that it is written in.
        """
        row = self._exact.get(path)
        if row is not None:
            return row
        spellings = list(dict.fromkeys(_spellings(path)))
        for spelling in spellings:
            row = self._exact.get(spelling)
            if row is None:
                row = self._plain.get(_plain(spelling))
            if row is None:
                row = self._below_roots(spelling, folder)
            if row is not None:
                return row
        for index in (self._by_name, self._by_stem, self._by_capitals, self._by_stem_and_capitals):
            for spelling in spellings:
                row = index.row(spelling)
                if row is not None:
                    return row
        return None

    def _below_roots(self, spelling: str, folder: Path | None) -> int | None:
        if not self._roots or not (spelling.startswith("/") or folder is not None):
            return None
        # os.path and not Path, which takes ten times as long for each line of a list
        place = os.path.realpath(spelling if spelling.startswith("/") else os.path.join(folder or "", spelling))  # noqa: PTH118
        for root in self._roots:
            row = self._plain.get(_plain(os.path.relpath(place, root)))
            if row is not None:
                return row
        return None

    @cached_property
    def _plain(self) -> dict[str, int]:
        return {_plain(name): row for row, name in enumerate(self.names)}

    @cached_property
    def _by_name(self) -> _Ends:
        return _Ends(self.names, _plain)

    @cached_property
    def _by_stem(self) -> _Ends:
        return _Ends(self.names, _stem)

    @cached_property
    def _by_capitals(self) -> _Ends:
        return _Ends(self.names, lambda name: _plain(name).casefold())

    @cached_property
    def _by_stem_and_capitals(self) -> _Ends:
        return _Ends(self.names, lambda name: _stem(name).casefold())


class _Ends:
    """Names by their last parts, as `key` compares them."""

    def __init__(self, names: Sequence[str], key: Callable[[str], str]) -> None:
        self._key = key
        self._rows: dict[str, list[tuple[list[str], int]]] = {}
        for row, name in enumerate(names):
            parts = key(name).split("/")
            self._rows.setdefault(parts[-1], []).append((parts, row))

    def row(self, path: str) -> int | None:
        """The row whose name ends as the path does, or is the end of the path; None for no row and for several."""
        parts = [part for part in self._key(path).split("/") if part]
        if not parts:
            return None
        candidates = self._rows.get(parts[-1], [])
        inside = [(len(name_parts), row) for name_parts, row in candidates if name_parts == parts[-len(name_parts) :]]
        if inside:
            longest = max(inside)[0]
            rows = [row for length, row in inside if length == longest]
        else:
            rows = [row for name_parts, row in candidates if name_parts[-len(parts) :] == parts]
        return rows[0] if len(rows) == 1 else None


def _spellings(path: str) -> Iterable[str]:
    """A path as it may have been meant."""
    for text in dict.fromkeys((path, path.strip().strip("\"'"), readable(path), unquote(path))):
        yield posixpath.normpath(text) if text else text
        if "\\" in text or _DRIVE.match(text):
            without = ntpath.splitdrive(text)[1] if _DRIVE.match(text) else text
            yield posixpath.normpath(without.replace("\\", "/"))


def _plain(name: str) -> str:
    return composed(name)


def _stem(name: str) -> str:
    return _SUFFIX.sub("", _plain(name))
