"""What the names of images say: which are images, which are junk, splits and classes; the same rules for all sources.

Folders that are called as splits are (`train/`, `Test/`, `validation/`...) say what is trained on and what is held out;
the folders that hold the images are their classes, used for evaluation only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lookalike.core.names import composed
from lookalike.core.passed_over import PassedOver
from lookalike.core.words import agreeing, counted
from lookalike.data.image_index import ImageIndex, ImageRef
from lookalike.data.kinds import reason_by_suffix, suffix_of

SPLITS = {
    **dict.fromkeys(("train", "training", "trn", "extra", "unlabeled", "unlabelled", "pred"), "train"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "heldout", "hold-out", "held-out"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "eval", "evaluation"), "test"),
}
"""What a split may be called in a list, and what it means here."""
_VALIDATION = ("val", "valid", "validation", "validate", "dev", "eval", "evaluation")
_AROUND = re.compile(r"(?:seg[-_ ])?(.+?)(?:[-_ ]?(?:set|split|data|images|imgs|\d{1,6}))?\Z")
_TRASH_FOLDERS = {
    "__macosx",
    "@eadir",
    "@recycle",
    "@recently-snapshot",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "recycler",
    "recycled",
    "lost+found",
    "system volume information",
    "__pycache__",
    "node_modules",
    ".trashes",
    ".thumbnails",
    ".ipynb_checkpoints",
}
_TRASH = {".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", ".directory", ".picasa.ini", "picasa.ini"}
_TRASH_STARTS = ("._", ".trash", ".~lock", ".fuse_hidden", ".nfs0")
_BESIDE = 0.2  # share of the images that may lie in other folders beside those of a split
_LABELLED = 0.5  # share of the images in class folders from which those beside them are taken for strays


def is_image(name: str) -> bool:
    """Whether a name is that of an image file that can be read here."""
    return reason_by_suffix(suffix_of(name)) == ""


def why_ignored(name: str) -> str | None:
    """Why a walk passes over a file or folder of that name without a look into it: "trash", "hidden" or "cloud"."""
    if name[:1] == ".":
        if suffix_of(name) == ".icloud":
            return "cloud"
        low = name.lower()
        return "trash" if low.startswith(_TRASH_STARTS) or low in _TRASH or low in _TRASH_FOLDERS else "hidden"
    low = name.lower()
    return "trash" if low in _TRASH_FOLDERS or low in _TRASH or low.endswith(".lrdata") else None


def split_of(word: str) -> str | None:
    """ "train" or "test" for the name of a split, as people write it (`Train`, `test_set`, `val2017`); else None."""
    low = word.strip().lower()
    if low in SPLITS:
        return SPLITS[low]
    inner = _AROUND.match(low)
    return SPLITS.get(inner[1]) if inner is not None else None


@dataclass(frozen=True)
class _Folders:
    """What the folders of an index mean."""

    split: tuple[str, ...] | None
    labels: tuple[str | None, ...] | None
    notes: tuple[str, ...]


def splits_of(names: Sequence[str]) -> tuple[str, ...] | None:
    """train/test per name, where folders say it; see `folders_of`."""
    return folders_of(names).split


def labels_of(names: Sequence[str]) -> tuple[str | None, ...] | None:
    """The class per name, where folders say it; see `folders_of`."""
    return folders_of(names).labels


def folders_of(names: Sequence[str]) -> _Folders:
    """Splits and classes from the folders in the names of images.

    Folders are splits where all of one depth are called so: the first in which the images differ, or the last, as in
    `cat/train/1.jpg`. Both a part to train on and one to test on make a split, also beside other folders of few
    images, which are trained on without a class; one part alone is only left out of the classes. What remains of the
    folders are classes, and one class is none. Images beside all folders have no class, as long as they are the fewer.
    """
    folders = [tuple(composed(name).split("/")[:-1]) for name in names]
    inside = [parts for parts in folders if parts]
    place = _place_of_splits(inside)
    notes: list[str] = []
    split = None
    if place is not None:
        held = [_in_split(parts, place) for parts in folders]
        words = [parts[place] if ok else "train" for parts, ok in zip(folders, held, strict=True)]
        parts_of_images = tuple(split_of(word) or "" for word in words)
        if len(set(parts_of_images)) == 2:
            split = parts_of_images
            notes += _split_notes(words, parts_of_images, held.count(False))
        folders = [_without(parts, place) if ok else () for parts, ok in zip(folders, held, strict=True)]
    classes = ["/".join(parts) for parts in folders]
    labelled = sum(map(bool, classes))
    if len(set(classes) - {""}) < 2 or (split is None and labelled < _LABELLED * len(classes)):
        return _Folders(split, None, tuple(notes))
    alike = _alike(set(classes))
    if alike:
        notes.append(f"the classes {alike[0]!r} and {alike[1]!r} differ in capitals only: are they meant to be one?")
    return _Folders(split, tuple(text or None for text in classes), tuple(notes))


def _place_of_splits(folders: Sequence[tuple[str, ...]]) -> int | None:
    """The depth at which the folders are called as splits are; -1 for the last; None where there is none."""
    if not folders:
        return None
    first = _first_difference(folders)
    parts_at_depth: dict[int, set[str]] = {}
    for place in (*range(first + 1), -1):
        count = Counter(parts[place] for parts in folders if len(parts) > place)
        parts_of: Counter[str | None] = Counter()
        for word, n in count.items():
            parts_of[split_of(word)] += n
        others = len(folders) - count.total() + parts_of.pop(None, 0)
        if others == 0 or (len(parts_of) == 2 and place >= 0 and others <= _BESIDE * len(folders)):
            parts_at_depth[place] = {part for part in parts_of if part is not None}
    return next(
        (place for place, parts_of in parts_at_depth.items() if len(parts_of) == 2), next(iter(parts_at_depth), None)
    )


def _first_difference(folders: Sequence[tuple[str, ...]]) -> int:
    """The first depth at which the folders are not all the same; those that are less deep have no say."""
    deepest = max(map(len, folders))
    return next((i for i in range(deepest) if len({parts[i] for parts in folders if len(parts) > i}) > 1), deepest - 1)


def _in_split(parts: tuple[str, ...], place: int) -> bool:
    return bool(parts) and len(parts) > place and split_of(parts[place]) is not None


def _without(parts: tuple[str, ...], place: int) -> tuple[str, ...]:
    """Folders below those of the splits, or above where the splits are the last; `train/train/cat` is a `cat`."""
    if not parts or place == -1:
        return parts[:-1]
    rest = parts[place + 1 :]
    while rest and rest[0] == parts[place]:
        rest = rest[1:]
    return rest


def _split_notes(words: Sequence[str], split: Sequence[str], strays: int) -> list[str]:
    held_out = sorted({word for word, part in zip(words, split, strict=True) if part == "test"})
    notes = []
    if len(held_out) > 1 and any(word.lower() in _VALIDATION for word in held_out):
        listed = ", ".join(map(repr, held_out[:-1])) + f" and {held_out[-1]!r}"
        notes.append(f"{listed} are both held out: what is measured is measured on all of them together")
    if strays:
        notes.append(f"{counted_images(strays)} beside the folders of the splits: trained on, without a label")
    return notes


def counted_images(n: int) -> str:
    """ "1 image lies", "2 images lie"."""
    return f"{counted(n, 'image')} {agreeing(n, 'lies', 'lie')}"


def _alike(classes: Iterable[str]) -> tuple[str, str] | None:
    """Two classes that differ in capitals only."""
    before: dict[str, str] = {}
    for name in sorted(classes):
        other = before.setdefault(name.casefold(), name)
        if other != name:
            return other, name
    return None


def image_index_of(
    entries: Iterable[ImageRef],
    name: str,
    refused: Iterable[tuple[str, str]] = (),
    notes: Iterable[str] = (),
    passed_over: tuple[PassedOver, ...] = (),
) -> ImageIndex:
    """An index in the order of names, with the splits and classes that the names say."""
    ordered = tuple(sorted(entries, key=lambda entry: entry.name))
    names = [entry.name for entry in ordered]
    folders = folders_of(names)
    return ImageIndex(
        entries=ordered,
        name=name or "images",
        labels=folders.labels,
        split=folders.split,
        refused=tuple(sorted(refused)),
        notes=(*notes, *folders.notes, *case_notes(names)),
        passed_over=passed_over,
    )


def case_notes(names: Iterable[str]) -> list[str]:
    """A note where names differ in capitals only, or in how accents are written: one file on other systems."""
    count = Counter(composed(name).lower() for name in names)
    alike = [name for name, n in count.items() if n > 1]
    if not alike:
        return []
    start = f"{counted(len(alike), 'name')} {agreeing(len(alike), 'differs', 'differ')}"
    return [f"{start} from others in capitals only, such as {alike[0]!r}"]
