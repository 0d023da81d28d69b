"""Reading .tar files, compressed or not, guarded against what a damaged or hostile header may ask for."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lookalike.core.errors import LookalikeError

BOMB_RATIO, BOMB_BYTES = 1000, 2 << 30
"""An archive that grows by more than this, and to more than this, is a decompression bomb."""
_LONGEST_READ = 16 << 20  # bytes of a .tar's own records; longer ones are damage
_BLOCK = 1 << 20
_COMPRESSED: dict[bytes, Callable[[Path], io.BufferedIOBase]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}


class Tar:
    """An open archive, read from its beginning to its end."""

    def __init__(self, archive: tarfile.TarFile, file: _Guarded, compressed: bool, length: int) -> None:
        self._archive = archive
        self._file = file
        self.compressed = compressed
        self.length = length
        """Bytes of the file on the disk."""

    def members(self) -> Iterator[tarfile.TarInfo]:
        """All that it holds but folders, in order."""
        while (info := self._archive.next()) is not None:
            if not info.isdir():
                yield info

    def read(self, info: tarfile.TarInfo, most: int | None = None, begun: bytes = b"") -> bytes:
        """The bytes of the member that `members` gave last.

        Args:
            info: of the member.
            most: so many of them at most.
            begun: those that were read before, which are not read again.

        Raises:
            EOFError: the archive ends before them.
        """
        self._file.seek(info.offset_data + len(begun))
        parts, missing = [begun], (info.size if most is None else min(info.size, most)) - len(begun)
        while missing > 0:
            part = self._file.read(min(missing, _BLOCK))
            if not part:
                raise EOFError("cut short")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)


@contextmanager
def open_tar(place: Path) -> Iterator[Tar]:
    """A .tar, .tar.gz, .tar.bz2 or .tar.xz, known by its first bytes.

    Raises:
        LookalikeError: while it is read, where it grows without bounds.
        Exception: of many kinds where it is damaged.
    """
    length = place.stat().st_size
    with open(place, "rb") as file:
        magic = file.read(6)
    opener = next((function for start, function in _COMPRESSED.items() if magic.startswith(start)), None)
    with open(place, "rb") if opener is None else opener(place) as stream:
        guarded = _Guarded(stream, None if opener is None else max(BOMB_BYTES, BOMB_RATIO * length))
        with tarfile.open(fileobj=guarded, mode="r:") as archive:
            yield Tar(archive, guarded, opener is not None, length)


class _Guarded(io.RawIOBase):
    """A stream that is read by `tarfile`, which believes every header."""

    def __init__(self, file: io.BufferedIOBase, most: int | None) -> None:
        self._file = file
        self._most = most

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _LONGEST_READ:
            raise tarfile.ReadError(f"a record of {size:,} bytes")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if self._most is not None and offset > self._most:
            raise LookalikeError("an archive that grows a thousandfold is not read (a decompression bomb?)")
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True
