"""What the names of images say: which are images, which are junk, splits and classes; the same rules for all sources.

`train/` and `test/` (or `val/`) at the top are splits; the folders that hold the images are their classes, used for
evaluation only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from lookalike.data.listing import Entry, Listing

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".npy")
SPLITS = {"train": "train", "training": "train", "test": "test", "val": "test", "valid": "test", "validation": "test"}
"""What a split may be called in a list, and what it means here."""
_SPLIT_FOLDERS = ("train", "test", "val")
_JUNK_FOLDERS = {"__MACOSX", "@eaDir", ".thumbnails", ".git"}
_JUNK = {".ds_store", "thumbs.db", "desktop.ini"}


def is_image(name: str) -> bool:
    """Whether a name is that of an image file."""
    return name.lower().endswith(SUFFIXES)


def is_junk(name: str) -> bool:
    """Whether the last part of a path is what a system leaves behind, a folder or a file."""
    return name in _JUNK_FOLDERS or name.startswith("._") or name.lower() in _JUNK


def splits_of(names: Sequence[str]) -> tuple[str, ...] | None:
    """train/test from the first folder of each name, where every image lies in one of them and both are there."""
    first = [name.split("/", 1)[0] if "/" in name else "" for name in names]
    found = {folder: SPLITS[folder] for folder in set(first) if folder in _SPLIT_FOLDERS}
    if set(first) != set(found) or len(set(found.values())) < 2:
        return None
    return tuple(found[folder] for folder in first)


def labels_of(names: Sequence[str], has_split: bool) -> tuple[str, ...] | None:
    """Classes from the folders that hold the images, below the split; one class is none."""
    folders = tuple("/".join(name.split("/")[has_split:-1]) for name in names)
    classes = set(folders)
    return None if len(classes) < 2 or "" in classes else folders


def listing_of(
    entries: Iterable[Entry],
    name: str,
    refused: Iterable[tuple[str, str]] = (),
    notes: Iterable[str] = (),
) -> Listing:
    """A listing in the order of names, with the splits and classes that the names say."""
    ordered = tuple(sorted(entries, key=lambda entry: entry.name))
    names = [entry.name for entry in ordered]
    split = splits_of(names)
    return Listing(
        entries=ordered,
        name=name or "images",
        labels=labels_of(names, split is not None),
        split=split,
        refused=tuple(sorted(refused)),
        notes=(*notes, *case_notes(names)),
    )


def case_notes(names: Iterable[str]) -> list[str]:
    """A note where names differ in case only: such files are one file on other systems."""
    count = Counter(name.lower() for name in names)
    alike = [name for name, n in count.items() if n > 1]
    if not alike:
        return []
    return [f"{len(alike)} names differ from others in capitals only, such as {alike[0]!r}"]


def counted(names: Iterable[str]) -> str:
    """What was found where no images were: the commonest suffixes, or "nothing"."""
    suffixes: Counter[str] = Counter()
    for name in names:
        stem, dot, suffix = name.rsplit("/", 1)[-1].rpartition(".")
        suffixes[f".{suffix.lower()}" if dot and stem else "(no suffix)"] += 1
    return ", ".join(f"{n} x {suffix}" for suffix, n in suffixes.most_common(5)) or "nothing"
