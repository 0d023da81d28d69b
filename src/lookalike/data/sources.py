"""Which source reads which DATA: by the name before the colon (`mnist:DIR`), or by what a path is."""

from __future__ import annotations

import glob
import os
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from lookalike.core import nearby
from lookalike.core.braces import expanded
from lookalike.core.errors import LookalikeError, did_you_mean
from lookalike.core.home import expand_user
from lookalike.core.names import as_spelt
from lookalike.core.passed_over import Tally, merged
from lookalike.core.places import PREFIXES
from lookalike.core.words import agreeing, counted
from lookalike.data import archive, array, cifar10, digits, filelist, folder, hf, metadata, mnist
from lookalike.data.base import Images
from lookalike.data.image_index import ImageIndex, ImageRef, Raw
from lookalike.data.kinds import reason_by_suffix, suffix_of
from lookalike.data.layout import is_image, split_of, why_ignored

WORDS = (
    "a folder, image files, a list (.txt, .csv), FILE.npy, FILE.npz, an archive (.zip, .tar), "
    "digits, mnist:DIR, cifar10:DIR or hf:NAME"
)
"""What DATA may be, for help and errors."""
_MOST_MISSING = 5  # places that are not there named in a message
_MOST_NAME = 60  # characters of a name made of several


def find(data: str | Sequence[str], download: bool = False, image_size: int | None = None) -> Images | ImageIndex:
    """The images of a DATA argument: in memory where they come that way, else listed.

    Args:
        data: one place or several: see WORDS; a pattern such as `photos/**/*.jpg` or `shard-{000..012}.tar` stands
            for what it matches.
        download: fetch `mnist:` or `cifar10:` first where the files are missing.
        image_size: the side that digits are enlarged to; nothing else looks at it.

    Raises:
        LookalikeError: nothing is there, or it cannot be read; the message says what was found.
    """
    places = [data] if isinstance(data, str) else list(data)
    if not any(places):
        raise LookalikeError(f"no images named: give {WORDS}")
    taken_apart = nearby.split_by_shell(places) if len(places) > 1 else ""
    if taken_apart:
        raise LookalikeError(f"no such folder or file: {' '.join(places)}; {taken_apart}")
    if len(places) == 1:
        return _one(places[0], download, image_size)
    return _several([place for place in dict.fromkeys(places) if place])


def as_image_index(images: Images) -> ImageIndex:
    """An index of images that are in memory, to examine them. Each stamp is the hash of an image."""
    labels = None
    if images.labels is not None:
        labels = tuple(images.classes[y] if y >= 0 else None for y in images.labels.tolist())
    assert isinstance(images.pixels, Tensor) and images.sizes is None  # so are those of every source
    pixels, stamps = images.pixels.permute(0, 2, 3, 1).numpy(), [row.tobytes().hex() for row in images.digests]
    return ImageIndex(
        entries=tuple(ImageRef(path, (stamps[i],), partial(_row, pixels, i)) for i, path in enumerate(images.paths)),
        name=images.name,
        labels=labels,
        split=images.split,
        refused=images.skipped,
    )


def _row(pixels: np.ndarray, row: int) -> Raw:
    return pixels[row]


def _is_glob(place: str) -> bool:
    return any(sign in place for sign in "*?[")


def _is_pattern(place: str) -> bool:
    return _is_glob(place) or expanded(place) != [place]


def _one(data: str, download: bool, image_size: int | None) -> Images | ImageIndex:
    kind, colon, rest = data.partition(":")
    path = Path(as_spelt(data))
    if _exists(path) and not (colon and kind in PREFIXES):
        return _path(path)
    if kind == "hf" and colon:
        return hf.image_index(rest)
    if kind in PREFIXES and kind != "hf":
        source = {"digits": digits, "mnist": mnist, "cifar10": cifar10}[kind]
        return source.load(expand_user(rest), image_size, download)
    if _is_pattern(data):
        matched = _matches(data)
        return _several(matched) if len(matched) > 1 else _one(matched[0], download, image_size)
    hint = did_you_mean(kind, PREFIXES) if colon else ""
    if not hint.startswith("did"):
        hint = nearby.meant(data) or hint or f"give {WORDS}"
    raise LookalikeError(f"no such folder or file: {data} (working folder {Path.cwd()}); {hint}")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long for the system, or with a zero in it
        return False


def _path(path: Path) -> Images | ImageIndex:
    name = path.name.lower()
    if path.is_dir():
        if not os.access(path, os.R_OK | os.X_OK):
            raise LookalikeError(f"the folder {path} may not be read: no permission")
        if nearby.is_run(path):
            raise LookalikeError(
                f"{path} is a run and no folder of images: its page is written by lookalike report {path}, and it is "
                f"gone on with by lookalike train --config {path / 'config.toml'}"
            )
        return metadata.image_index(path)
    if not stat.S_ISREG(path.stat().st_mode):
        raise LookalikeError(f"{path} is a pipe or device; give {WORDS}")
    if not os.access(path, os.R_OK):
        raise LookalikeError(f"{path} may not be read: no permission")
    if name.endswith((".npy", ".npz")):
        return array.load(path)
    if name.endswith(filelist.SUFFIXES):
        return filelist.image_index(path)
    if name.endswith(archive.SUFFIXES):
        return archive.image_index(path)
    entry = folder.named_entry(path.name, os.fspath(path))
    if isinstance(entry, ImageRef):
        return folder.files([path])
    kind = Tally()  # among several places, as `photos/*` gives them, it is only counted
    kind.add(reason_by_suffix(suffix_of(path.name)) or "other", suffix_of(path.name), path.name)
    raise folder.NoImages(f"{path} is none of what can be read ({entry}): {WORDS}", kind.result())


def _matches(pattern: str) -> list[str]:
    """What a pattern with braces, stars and question marks stands for, in order.

    Raises:
        LookalikeError: it matches nothing, or a name that its braces spell out does not exist.
    """
    parts = [str(expand_user(part)) for part in expanded(pattern)]
    missing = [part for part in parts if not _is_glob(part) and not _exists(Path(part))]
    if missing:
        examples = ", ".join(missing[:_MOST_MISSING]) + (", ..." if len(missing) > _MOST_MISSING else "")
        raise LookalikeError(
            f"{len(missing):,} of the {counted(len(parts), 'place')} that {pattern} stands for "
            f"{agreeing(len(missing), 'is', 'are')} not there: {examples} (working folder {Path.cwd()})"
        )
    places = [place for part in parts for place in (_globbed(part) if _is_glob(part) else [part])]
    return list(dict.fromkeys(places))


def _globbed(pattern: str) -> list[str]:
    """What a pattern matches and can hold images, in order: lists and archives where it ends as they do.

    Raises:
        LookalikeError: nothing of the kind exists.
    """
    # Path.glob takes no absolute pattern and follows no links
    matches = sorted(glob.glob(str(expand_user(pattern)), recursive=True))  # noqa: PTH207
    spelt = set(Path(pattern).parts)  # what somebody names is meant
    matches = [
        place for place in matches if not any(why_ignored(part) for part in Path(place).parts if part not in spelt)
    ]
    images = [place for place in matches if _is_one_image(place)]
    around = {str(parent) for place in images for parent in Path(place).parents}
    folders = [place for place in matches if Path(place).is_dir() and str(Path(place)) not in around]
    named = next((s for s in (*filelist.SUFFIXES, *archive.SUFFIXES) if pattern.lower().endswith(s)), None)
    others = [place for place in matches if named is not None and not Path(place).is_dir()]
    if not images and not others and not folders:
        what = f"what it matches is no image: {', '.join(matches[:3])}" if matches else "it matches nothing"
        raise LookalikeError(f"no images by the pattern {pattern} (working folder {Path.cwd()}): {what}")
    return images + folders + others


def _several(places: Sequence[str]) -> ImageIndex:
    """One index of several places; the images of each have its name before their own."""
    expanded: list[str] = []
    for place in places:
        expanded += _matches(place) if _is_pattern(place) and not _exists(Path(place)) else [place]
    single = dict.fromkeys(place for place in expanded if _is_one_image(place))
    notes: list[str] = []
    others = _without_inner([place for place in dict.fromkeys(expanded) if place not in single], notes)
    folders = {Path(place).resolve() for place in others if Path(place).is_dir()}
    if folders:
        inside = [place for place in single if any(_reads(folder, Path(place).resolve()) for folder in folders)]
        notes += [f"{place!r} lies in a folder that is named, too, and is read once" for place in inside[:1]]
        for place in inside:
            del single[place]
    parts: dict[str, ImageIndex] = {}
    empty: dict[str, folder.NoImages] = {}
    for place in others:
        try:
            parts[place] = _listed(place)
        except folder.NoImages as error:  # one of several, such as the folder `runs` beside the images
            empty[place] = error
    if single:
        try:
            parts[_common(list(single))] = folder.files([Path(place) for place in single])
        except folder.NoImages as error:
            empty[_common(list(single))] = error
    if not parts:
        raise next(iter(empty.values()))
    notes += [f"no images in {place!r}" for place, error in empty.items() if not error.only_own]
    beside = merged((_place_parts(place)[-1], error.passed_over) for place, error in empty.items())
    index = next(iter(parts.values())) if len(parts) == 1 else _merge(list(parts.values()), _prefixes(list(parts)))
    return replace(index, notes=(*index.notes, *notes), passed_over=merged([("", index.passed_over), ("", beside)]))


def _reads(folder: Path, inner: Path) -> bool:
    """Whether a walk through a folder comes to a place in it (both resolved), which is not hidden from it."""
    return folder in inner.parents and not any(map(why_ignored, inner.relative_to(folder).parts))


def _is_one_image(place: str) -> bool:
    """Whether a place is an image file, be it by its name a pipe or a link to nothing, which has its own reason."""
    path = Path(place)
    if path.is_dir() or not (_exists(path) or path.is_symlink()):
        return False
    if is_image(path.name):
        return True
    unknown = reason_by_suffix(suffix_of(path.name)) is None and path.is_file()
    return unknown and not folder.kind_by_bytes(os.fspath(path))


def _listed(place: str) -> ImageIndex:
    images = _one(place, False, None)
    if isinstance(images, Images):
        raise LookalikeError(f"{place} is a collection of its own and goes with no other place; name it alone")
    return images


def _common(files: Sequence[str]) -> str:
    return os.path.commonpath([os.path.normpath(Path(file).absolute().parent) for file in files])


def _without_inner(places: list[str], notes: list[str]) -> list[str]:
    """Places without the folders that lie in others of them."""
    resolved = {place: Path(place).resolve() for place in places}
    outer: list[str] = []
    for place in places:
        around = next(
            (o for o in places if o != place and resolved[o].is_dir() and _reads(resolved[o], resolved[place])), None
        )
        same = next((o for o in outer if resolved[o] == resolved[place]), None)
        if same is None and (around is None or not resolved[place].is_dir()):
            outer.append(place)
        else:
            notes.append(f"{place!r} lies in {(around or same)!r} and is read once")
    return outer


def _prefixes(places: Sequence[str]) -> list[str]:
    """A name for each place: its own, with as much of its path as tells it from the others."""
    parts = [_place_parts(place) for place in places]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{i}/{name}" for i, name in enumerate(names)]


def _place_parts(place: str) -> tuple[str, ...]:
    if place.startswith("hf:"):
        return (place.removeprefix("hf:").replace(":", "/"),)
    return tuple(part for part in Path(os.path.normpath(Path(place).absolute())).parts if part != "/") or ("root",)


def _merge(parts: Sequence[ImageIndex], prefixes: Sequence[str]) -> ImageIndex:
    rows: list[tuple[ImageRef, str | None, str]] = []
    lasts = [prefix.rsplit("/", 1)[-1] for prefix in prefixes]
    by_place = {split_of(last) for last in lasts} == {"train", "test"}
    all_have_splits = all(part.split is not None for part in parts)
    for part, prefix, last in zip(parts, prefixes, lasts, strict=True):
        labels = part.labels or (None,) * len(part.entries)
        split = (
            part.split if all_have_splits and part.split is not None else (split_of(last) or "",) * len(part.entries)
        )
        rows += [
            (replace(entry, name=f"{prefix}/{entry.name}"), label, s)
            for entry, label, s in zip(part.entries, labels, split, strict=True)
        ]
    rows.sort(key=lambda row: row[0].name)
    repeated = [name for name, n in Counter(row[0].name for row in rows).items() if n > 1]
    if repeated:
        raise LookalikeError(f"two images would have the name {repeated[0]!r}: name the folder around them instead")
    name = "+".join(lasts)
    return ImageIndex(
        entries=tuple(row[0] for row in rows),
        name=name if len(name) <= _MOST_NAME else f"{lasts[0][:_MOST_NAME]}+{len(lasts) - 1}-more",
        labels=tuple(row[1] for row in rows) if any(part.labels is not None for part in parts) else None,
        split=tuple(row[2] for row in rows) if all_have_splits or by_place else None,
        refused=tuple((f"{p}/{n}", why) for part, p in zip(parts, prefixes, strict=True) for n, why in part.refused),
        notes=tuple(f"{p}: {note}" for part, p in zip(parts, prefixes, strict=True) for note in part.notes),
        passed_over=merged((prefix, part.passed_over) for part, prefix in zip(parts, prefixes, strict=True)),
    )
