"""What lookalike wrote is never its input, wherever it lies: how a walk knows run folders, stores and single files.

Folders are known by the files in them, so that a copy or another name changes nothing; a folder of the user's that is
called `runs` or `cache` is read. Single pictures say in their first bytes by whom they were made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from PIL import Image

from lookalike.core.made_here import EXIF_SOFTWARE, KEY, MARK
from lookalike.data.decode import Unreadable
from lookalike.data.image_index import Raw
from lookalike.data.jpeg import Jpeg

MADE_HERE = "made by lookalike itself"
"""Why such a file is not read."""
_HEAD = 512  # bytes in which a mark lies
_SNAPSHOTS = {"index.json", "thumbs.json"}
_STORE = {"index.npz", "canvases"}
_OWN_NAME = re.compile(
    r"(?P<features>embeddings\.npy)\Z|(?:views|sprite|sheet-\d+|thumbs-\d+|map_\w+|loss|learning_rate|images_per_second"
    r"|own_image_found|knn|effective_rank|clusters_kept)\.(?:png|jpg)\Z"
)
"""Names that files of ours have where nobody gives them another: of these alone a walk looks at what is in them."""


def is_own_folder(folder: str, names: Collection[str]) -> bool:
    """Whether a folder was written by lookalike: a run, its snapshots, or a store of decoded images.

    Args:
        folder: its path.
        names: what is in it.
    """
    if "config.toml" in names and ("run.json" in names or "checkpoints" in names):
        return _is_config(Path(folder, "config.toml")) or _is_record(Path(folder, "run.json"))
    return _SNAPSHOTS.issubset(names) or _STORE.issubset(names)


def lies_in_own_folder(folder: Path, own_by_folder: dict[Path, bool]) -> bool:
    """Whether a folder or one around it was written by lookalike; `own_by_folder` keeps the
    answers for the next call."""
    for place in (folder, *folder.parents):
        if place not in own_by_folder:
            own_by_folder[place] = (place / "config.toml").is_file() or (place / "index.json").is_file()
            if own_by_folder[place]:
                own_by_folder[place] = is_own_folder(str(place), {path.name for path in place.iterdir()})
        if own_by_folder[place]:
            return True
    return False


def own_folders(names: Collection[str], wanted: Mapping[str, bytes]) -> set[str]:
    """Folders of an archive that were written by lookalike.

    Args:
        names: of all members.
        wanted: content of the members called config.toml.
    """
    members = set(names)
    folders = {name.rpartition("/")[0] for name, data in wanted.items() if _has_config_comment(data)}
    folders = {folder for folder in folders if _join(folder, "run.json") in members}
    for name in members:
        folder, _, last = name.rpartition("/")
        if any(last in kind and {_join(folder, n) for n in kind} <= members for kind in (_SNAPSHOTS, _STORE)):
            folders.add(folder)
    return folders


def is_own_member(name: str, names: Collection[str]) -> bool:
    """Whether a member of an archive is a table of features of ours, which lies beside its index as in a folder."""
    folder, _, last = name.rpartition("/")
    return last == "embeddings.npy" and _join(folder, "index.csv") in names


def is_own_file(path: str, name: str) -> bool:
    """Whether a file of a walk is a table of features or a picture of ours, by its name and then by its bytes."""
    named = _OWN_NAME.match(name)
    if named is None:
        return False
    if named["features"]:
        return Path(path).with_name("index.csv").is_file()
    try:
        with open(path, "rb") as file:
            return MARK.encode() in file.read(_HEAD)
    except OSError:
        return False


def foreign(raw: Raw) -> Raw:
    """An opened image, unless lookalike has made it.

    Raises:
        Unreadable: it has.
    """
    if is_marked(raw):
        if isinstance(raw, Jpeg | Image.Image):
            raw.close()
        raise Unreadable(MADE_HERE)
    return raw


def is_marked(raw: Raw) -> bool:
    """Whether an opened image says that it was made by lookalike."""
    if isinstance(raw, Jpeg):
        return MARK.encode() in raw.head[:_HEAD]
    if not isinstance(raw, Image.Image):
        return False
    texts = [raw.info.get(KEY), raw.info.get("comment"), raw.info.get("exif")]
    tags = getattr(raw, "tag_v2", None)
    if tags is not None:
        texts.append(tags.get(EXIF_SOFTWARE))
    return any(MARK in text if isinstance(text, str) else MARK.encode() in text for text in texts if text)


def _is_config(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return _has_config_comment(file.read(1 << 16))
    except OSError:
        return False


def _has_config_comment(data: bytes) -> bool:
    """Whether a file begins with the comment of a run's configuration."""
    lines = data.splitlines()
    return any(line.startswith(b"# Repeat: lookalike train") for line in lines)


def _is_record(path: Path) -> bool:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and {"status", "fingerprint", "versions"} <= set(record)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
