"""Names in two spellings that look the same: accents as letters of their own (macOS writes files so) or composed.

Names are compared composed (Unicode's form NFC). A file is opened by the bytes that its folder has for it.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path


def composed(name: str) -> str:
    """The spelling in which names are compared."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def as_spelt(path: str | os.PathLike[str]) -> str:
    """A path as the file system spells it, where it exists in another spelling; else unchanged."""
    whole = os.fspath(path)
    if whole.isascii() or "\0" in whole or os.path.lexists(whole):
        return whole
    place = Path(whole)
    folder = Path(place.anchor)
    for part in place.parts[1 if place.anchor else 0 :]:
        step = folder / part
        if not part.isascii() and not os.path.lexists(step):
            try:
                matches = [name for name in os.listdir(folder) if composed(name) == composed(part)]
            except OSError:
                return whole
            if len(matches) != 1:  # none, or two that look the same
                return whole
            step = folder / matches[0]
        folder = step
    return os.fspath(folder) if os.path.lexists(folder) else whole


def spelt_in(folder: str | os.PathLike[str], path: str) -> str:
    """The same for a path that is written in a file of a folder: relative to it, or absolute."""
    if path.isascii():
        return path
    whole = os.path.join(folder, path)  # noqa: PTH118 - a Path takes ten times as long, for each line of a list
    spelt = as_spelt(whole)
    # as above: os.path for each line of a list
    return path if spelt == whole else spelt if os.path.isabs(path) else os.path.relpath(spelt, folder)  # noqa: PTH117
