"""Images in .zip and .tar archives, read where they are: nothing is unpacked to the disk.

Members are listed once, with their place in the archive, and each is read by itself, from any thread. A compressed
.tar cannot be read from its middle: its images are kept in memory where they are few, else it is refused. Labels of
WebDataset shards (`abc.jpg` beside `abc.cls`, `abc.json` or `abc.txt`) are read too.
"""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from lookalike.core.errors import LookalikeError
from lookalike.core.passed_over import Tally, sentences, suffixes
from lookalike.core.progress import phase
from lookalike.core.words import counted
from lookalike.data import npy
from lookalike.data.decode import Unreadable, open_image, reason_of
from lookalike.data.image_index import ImageIndex, ImageRef, Raw
from lookalike.data.kinds import HEAD, reason_by_bytes, reason_by_suffix, suffix_of
from lookalike.data.layout import image_index_of, why_ignored
from lookalike.data.own_output import foreign, is_own_member, own_folders
from lookalike.data.shards import is_sidecar, labels_of_shards
from lookalike.data.tar import BOMB_BYTES, BOMB_RATIO, open_tar

SUFFIXES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
_MARKS = (
    "config.toml",
    "run.json",
    "index.json",
    "thumbs.json",
    "index.csv",
    "index.npz",
    "canvases",
)
"""Names that are no images, and by which what lookalike wrote is known."""
_LARGEST = 512 << 20  # bytes of a member
_IN_MEMORY = 1 << 30  # bytes of images that a compressed .tar may hold


@dataclass(frozen=True)
class _Member:
    """A file in an archive, with functions that read it."""

    name: str
    size: int
    stamp: tuple[int | str, ...]
    read: Callable[[], bytes]
    head: Callable[[], bytes]
    """The first HEAD bytes, or all that there are."""


@dataclass
class _Content:
    members: list[_Member]
    refused: list[tuple[str, str]]
    notes: list[str]
    others: Tally = field(default_factory=Tally)


def image_index(place: Path) -> ImageIndex:
    """The images of an archive. A folder that holds everything in it is left out of their names.

    Raises:
        LookalikeError: it is no archive, damaged, holds no images, would grow without bounds, or is a compressed .tar
            of more than 1 GiB of images.
    """
    content = _Content([], [], [])
    try:
        with phase(f"reading the archive {place.name}"):
            if place.suffix.lower() == ".zip":
                _read_zip(place, content)
            else:
                _read_tar(place, content)
    except LookalikeError:
        raise
    except Exception as error:  # damaged archives raise nearly anything
        if not content.members:
            raise LookalikeError(f"{place} is no archive that can be read, or damaged: {reason_of(error)}") from error
        content.notes.append(
            f"{place.name} is damaged after {counted(len(content.members), 'file')}: {reason_of(error)}"
        )
    images = _images(content)
    passed_over = content.others.result()
    if not images:
        why = "".join(f"; {name!r}: {reason}" for name, reason in content.refused[:3])
        loud, quiet = sentences(kind for kind in passed_over if kind.reason != "other")
        why += "".join(f". {sentence}" for sentence in (*loud, *quiet))
        raise LookalikeError(f"no images in {place}: found {suffixes(passed_over) or 'nothing'}{why}")
    names = _short_names([member.name for member in images])
    entries: dict[str, ImageRef] = {}
    for member, name in zip(images, names, strict=True):
        if name in entries:
            content.notes.append(f"{name!r} is in {place.name} more than once: the last one is taken")
        entries[name] = ImageRef(name, member.stamp, partial(_open, member))
    index = image_index_of(entries.values(), _stem(place), content.refused, content.notes, passed_over)
    sidecars = {member.name: member.read for member in content.members if is_sidecar(member.name)}
    if sidecars:
        full = dict(zip(names, (member.name for member in images), strict=True))
        labels = labels_of_shards([full[entry.name] for entry in index.entries], sidecars)
        if labels is not None:
            return replace(index, labels=labels)
        for name in sidecars:
            content.others.add("other", suffix_of(name), name)
        index = replace(index, passed_over=content.others.result())
    return index


def _images(content: _Content) -> list[_Member]:
    """The members that are images by their suffix or first bytes, without those that lookalike wrote."""
    tables = {m.name: m.read() for m in content.members if m.name.rsplit("/", 1)[-1] == "config.toml"}
    names = {member.name for member in content.members}
    own_folder_names = own_folders(names, tables)
    images = []
    for member in content.members:
        folder = next((f for f in _around(member.name) if f in own_folder_names), None)
        suffix = suffix_of(member.name)
        ours = folder is not None or is_own_member(member.name, names)
        reason = "own" if ours else reason_by_suffix(suffix)
        if reason is None:
            reason = reason_by_bytes(_head(member))
        if reason == "":
            images.append(member)
        elif not is_sidecar(member.name) or reason == "own":
            content.others.add(reason, suffix, member.name)
    return images


def _around(name: str) -> Iterator[str]:
    """The folders around a member, the inner ones first, and the archive itself."""
    while name:
        name = name.rpartition("/")[0]
        yield name


def _head(member: _Member) -> bytes:
    try:
        return member.head()
    except Exception:  # a damaged member raises anything
        return b""


def _stem(place: Path) -> str:
    suffix = next((s for s in sorted(SUFFIXES, key=len, reverse=True) if place.name.lower().endswith(s)), "")
    return place.name[: len(place.name) - len(suffix)]


def _short_names(names: list[str]) -> list[str]:
    """Names without the folder that holds all of them."""
    first = {name.split("/", 1)[0] for name in names}
    if len(first) == 1 and all("/" in name for name in names):
        return [name.split("/", 1)[1] for name in names]
    return names


def _open(member: _Member) -> Raw:
    data = member.read()
    if not data:
        raise Unreadable("empty (0 bytes)")
    if not member.name.lower().endswith(".npy"):
        return foreign(open_image(io.BytesIO(data)))
    return npy.opened(io.BytesIO(data))


def _file_name(name: str) -> tuple[str, str | None]:
    """The name of a member without leading dots, and why it is not to be trusted."""
    path = PurePosixPath(name)
    if path.is_absolute() or name[1:3] in (":\\", ":/"):
        return name, "an absolute name in an archive"
    if ".." in path.parts:
        return name, "a name that leads out of the archive (../)"
    return path.as_posix(), None


def _wanted(name: str, size: int, problem: str | None, content: _Content) -> str | None:
    """The member's name where it is an image or tells of one; else it goes where it belongs."""
    clean, strange = _file_name(name)
    for part in clean.split("/"):
        ignored = why_ignored(part) if part != ".." else None
        if ignored is not None:
            content.others.add(ignored, suffix_of(part) if ignored == "cloud" else part, clean)
            return None
    reason = reason_by_suffix(suffix_of(clean))
    if reason and not is_sidecar(clean) and clean.rsplit("/", 1)[-1] not in _MARKS:
        content.others.add(reason, suffix_of(clean), clean)
        return None
    problem = strange or problem or (f"{size:,} bytes unpacked: too large" if size > _LARGEST else None)
    if problem is None:
        return clean
    if reason == "":
        content.refused.append((name, problem))
    elif reason is None:
        content.others.add("other", suffix_of(clean), clean)
    return None


def _read_zip(place: Path, content: _Content) -> None:
    with zipfile.ZipFile(place) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
    unpacked = 0
    for info in infos:
        problem = None
        if info.flag_bits & 1:
            problem = "encrypted: unpack it with its password first"
        elif stat.S_ISLNK(info.external_attr >> 16):
            problem = "a link in an archive"
        name = _wanted(info.filename, info.file_size, problem, content)
        if name is not None:
            unpacked += info.file_size
            stamp = (info.header_offset, info.file_size, info.CRC)
            member = _Member(
                name, info.file_size, stamp, partial(_from_zip, place, info), partial(_head_in_zip, place, info)
            )
            content.members.append(member)
    packed = place.stat().st_size
    if unpacked > BOMB_BYTES and unpacked > BOMB_RATIO * packed:
        raise LookalikeError(
            f"{place}: {packed:,} bytes would become {unpacked:,}: a decompression bomb; it is not read"
        )


def _from_zip(place: Path, info: zipfile.ZipInfo) -> bytes:
    """The bytes of a member, never more than it says; read through a handle of its own."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(place) as archive, archive.open(info) as file:
            data = file.read(info.file_size + 1)
    else:
        with open(place, "rb", buffering=0) as file:
            data = _exactly(file, _start_in_zip(file, info), info.compress_size)
        if info.compress_type == zipfile.ZIP_DEFLATED:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, info.file_size + 1)
    if len(data) != info.file_size:
        raise Unreadable(f"not the {info.file_size:,} bytes that the archive promises")
    if zlib.crc32(data) != info.CRC:
        raise Unreadable("damaged in the archive (checksum)")
    return data


def _head_in_zip(place: Path, info: zipfile.ZipInfo) -> bytes:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(place) as archive, archive.open(info) as packed:
            return packed.read(HEAD)
    with open(place, "rb", buffering=0) as file:
        data = _exactly(file, _start_in_zip(file, info), min(info.compress_size, 4 * HEAD))
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, HEAD) if info.compress_type else data[:HEAD]


def _start_in_zip(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Where the bytes of a member begin."""
    head = _exactly(file, info.header_offset, 30)
    if head[:4] != b"PK\x03\x04":
        raise Unreadable("not where the archive says")
    return info.header_offset + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")


def _exactly(file: IO[bytes], offset: int, size: int) -> bytes:
    """`size` bytes from `offset`; the file may be shorter than its archive says, so nothing is allocated ahead."""
    file.seek(0, io.SEEK_END)
    if offset + size > file.tell():
        raise Unreadable("cut short")
    file.seek(offset)
    parts = []
    while size > 0:
        part = file.read(size)
        if not part:
            raise Unreadable("cut short")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _from_tar(place: Path, offset: int, size: int) -> bytes:
    with open(place, "rb", buffering=0) as file:
        return _exactly(file, offset, size)


def _read_tar(place: Path, content: _Content) -> None:
    bytes_in_memory, changed = 0, place.stat().st_mtime_ns
    with open_tar(place) as archive:
        for info in archive.members():
            problem = "cut short" if not archive.compressed and info.offset_data + info.size > archive.length else None
            name = _wanted(info.name, info.size, problem or _tar_problem(info), content)
            if name is None:
                continue
            if not archive.compressed:
                stamp = (info.offset_data, info.size, changed)
                read = partial(_from_tar, place, info.offset_data, info.size)
                head = partial(_from_tar, place, info.offset_data, min(info.size, HEAD))
                content.members.append(_Member(name, info.size, stamp, read, head))
                continue
            begun = b""
            if reason_by_suffix(suffix_of(name)) is None:  # is not kept in memory unless it is an image
                begun = archive.read(info, HEAD)
                reason = reason_by_bytes(begun)
                if reason:
                    content.others.add(reason, suffix_of(name), name)
                    continue
            bytes_in_memory += info.size
            if bytes_in_memory > _IN_MEMORY:
                raise LookalikeError(
                    f"{place} is compressed as a whole and holds more than {_IN_MEMORY >> 30} GiB of images: it cannot "
                    "be read from its middle. Unpack it, or make a plain .tar of it; images hardly shrink anyway"
                )
            data = archive.read(info, begun=begun)
            mark = (zlib.crc32(data), info.size)
            content.members.append(_Member(name, info.size, mark, partial(bytes, data), partial(bytes, data[:HEAD])))


def _tar_problem(info: tarfile.TarInfo) -> str | None:
    if info.issym() or info.islnk():
        return "a link in an archive"
    if not info.isreg():
        return "a pipe or device in an archive"
    return "a sparse file in an archive" if info.issparse() else None
