"""Places of DATA: what a relative one is relative to, and where it is found from another working folder.

A run keeps what was said (`config.toml`), the working folder in which it was said and the absolute places
(`run.json`: `folder`, `data`). Whoever looks for them later tries the absolute places first, then what was said from
the folder of the run, from the present one, and from the one that the run folder itself has moved with.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from lookalike.core.braces import expanded
from lookalike.core.home import expand_user
from lookalike.core.names import as_spelt

PREFIXES = ("digits", "mnist", "cifar10", "hf")
"""Names of sources that may stand before a colon."""
_SIGNS = "*?["


def joined(place: str, folder: str | Path) -> str:
    """A place as it is meant in `folder`: absolute, unless it is no place on the disk (`digits`, `hf:NAME`)."""
    kind, colon, rest = place.partition(":")
    if colon and kind in PREFIXES:
        moved = _joined(rest, folder)
        on_disk = kind != "digits" and bool(rest) and (kind != "hf" or _hf_folder(moved) is not None)
        return f"{kind}:{moved}" if on_disk else place
    if place in PREFIXES and not _exists(_joined(place, folder)):
        return place
    return _joined(place, folder)


def is_there(place: str) -> bool:
    """Whether something is at a place, be it a pattern or after a prefix; what is not on the disk always is."""
    kind, colon, rest = place.partition(":")
    if colon and kind in PREFIXES:
        return kind in ("digits", "hf") or _exists(rest)
    if place in PREFIXES or _exists(place):
        return True
    return any(_exists(part) or (any(sign in part for sign in _SIGNS) and _matches(part)) for part in expanded(place))


def find_place(place: str, folders: Sequence[str | Path]) -> str | None:
    """The place in the first folder in which it exists; unchanged where that is the working folder."""
    for folder in folders:
        candidate = joined(place, folder)
        if is_there(candidate):
            return place if candidate == joined(place, Path.cwd()) else candidate
    return None


def find_places(data: str | Sequence[str], folders: Sequence[str | Path]) -> str | tuple[str, ...]:
    """DATA with each place as `find_place` finds it; places that exist nowhere are unchanged."""
    places = tuple(find_place(place, folders) or place for place in ([data] if isinstance(data, str) else data))
    return places[0] if isinstance(data, str) else places


def absolute_places(data: str | Sequence[str]) -> list[str]:
    """The places of DATA as they are meant in the working folder; none where images came from Python."""
    return [joined(place, Path.cwd()) for place in ([data] if isinstance(data, str) else data) if place]


def folders_of(folder: str | None, settings: Mapping[str, object], run: Path) -> list[str]:
    """The folders that the relative places of a run are tried from, in order, each once.

    Args:
        folder: the working folder that its record names, where it does.
        settings: config.toml.
        run: where the run folder is now.
    """
    folders = [folder] if folder else []
    folders.append(str(Path.cwd()))
    out = Path(str(settings.get("out") or ""))
    parts, now = out.parts, run.resolve().parts
    if parts and not out.is_absolute() and ".." not in parts and now[-len(parts) :] == parts:
        folders.append(str(Path(*now[: -len(parts)])))  # a project that was moved as a whole
    return list(dict.fromkeys(folders))


def same_place(a: str, a_folders: Sequence[str | Path], b: str) -> bool:
    """Whether `a`, said in one of `a_folders`, and `b`, said in the working folder, are one place."""
    here = os.path.realpath(joined(b, Path.cwd()))
    return a == b or any(os.path.realpath(joined(a, folder)) == here for folder in a_folders)


def _joined(path: str, folder: str | Path) -> str:
    plain = os.path.join(folder, expand_user(path))  # noqa: PTH118 - Path takes a leading ./ away
    normal = os.path.normpath(plain)
    return normal if os.path.realpath(normal) == os.path.realpath(plain) else plain  # a link before a ".."


def _hf_folder(place: str) -> str | None:
    """The folder of a saved data set in FOLDER or FOLDER:SPLIT."""
    return next((name for name in (place, place.rpartition(":")[0]) if name and Path(name).is_dir()), None)


def _exists(place: str) -> bool:
    try:
        return Path(as_spelt(expand_user(place))).exists()
    except (OSError, ValueError, RuntimeError):  # a name that no system allows, or of a user that there is not
        return False


def _matches(pattern: str) -> bool:
    return any(True for _ in glob.iglob(str(expand_user(pattern)), recursive=True))  # noqa: PTH207 - as sources does
