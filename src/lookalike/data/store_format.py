"""What a store is on disk: a folder with `padded_images`, nothing but pixels, and `index.npz`, a record for each entry.

Entry i of an index has its padded image at byte i * C * M * M; entries that cannot be read leave a hole, which takes no
room. Images are read row by row into memory and not mapped: pages of a mapped file count as the process's own, and a
collection may be many times as large as the memory.
"""

from __future__ import annotations

import io
import json
import os
import weakref
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lookalike.core.errors import LookalikeError
from lookalike.core.files import write_atomically
from lookalike.data.padded import digest

FORMAT = 1
NOT_DONE, GOOD, SKIPPED = 0, 1, 2  # states of an entry
RECORD = np.dtype(
    [
        ("state", "u1"),
        ("height", "<i4"),  # of the image without padding
        ("width", "<i4"),
        ("digest", "u1", (16,)),  # `padded.digest`
        ("spread", "<f4"),  # standard deviation of its values
        ("file_height", "<i4"),  # of the file; 0 where not even its header can be read
        ("file_width", "<i4"),
        ("file_channels", "<i4"),
        ("bits", "<i4"),
        ("kind", "S8"),
    ]
)
_CHECKED = 8  # images whose pixels are compared with their hashes when a store is opened
_MOST_READ = 2**30  # bytes asked for in one call, which some systems limit


class Damaged(LookalikeError):
    """A store that cannot be used; the text says why."""


@dataclass(frozen=True)
class Shape:
    """The shape of the padded images of a store."""

    channels: int
    canvas: int
    """M, the side of a padded image, pixels. Index files hold it under this name."""

    @property
    def bytes(self) -> int:
        """Of a padded image."""
        return self.channels * self.canvas**2


@dataclass
class Index:
    """A record for each entry of an image index, and why some have no pixels."""

    shape: Shape
    records: np.ndarray
    """RECORD [entries]."""
    reasons: dict[int, str]
    """Of the entries that are SKIPPED."""

    def write(self, folder: Path) -> None:
        """Write index.npz; it is whole or as it was."""
        about = {"format": FORMAT, "shape": asdict(self.shape), "reasons": list(self.reasons.items())}
        data = np.frombuffer(json.dumps(about).encode(), np.uint8)
        write_atomically(folder / "index.npz", lambda file: np.savez(file, records=self.records, about=data))

    @staticmethod
    def read(folder: Path, entries: int) -> Index:
        """index.npz, its checksums compared.

        Raises:
            Damaged: it is not there, not whole, or of another number of entries.
        """
        try:
            with np.load(io.BytesIO((folder / "index.npz").read_bytes()), allow_pickle=False) as data:
                records, about = data["records"], json.loads(data["about"].tobytes())
            if about["format"] != FORMAT or records.dtype != RECORD or records.shape != (entries,):
                raise Damaged("its index is of another kind")
            shape = Shape(**about["shape"])
            reasons = {int(row): str(reason) for row, reason in about["reasons"]}
        except (OSError, ValueError, KeyError, TypeError, EOFError, AttributeError, zipfile.BadZipFile) as error:
            raise Damaged(f"its index cannot be read ({error})") from error
        return Index(shape, records, reasons)


def canvases_path(folder: Path) -> Path:
    """The file of pixels."""
    return folder / "canvases"


class Stored:
    """The padded images of a store's good entries, read when indexed: uint8 [N, C, M, M], in order."""

    def __init__(self, folder: Path, index: Index) -> None:
        """
        Raises:
            Damaged: the file of pixels is not there, cut short, or holds other pixels than the index says.
        """
        self._slots = np.flatnonzero(index.records["state"] == GOOD)
        self._shape = index.shape
        path = canvases_path(folder)
        try:
            self._file = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            raise Damaged(f"its pixels cannot be read ({error.strerror})") from error
        weakref.finalize(self, os.close, self._file)
        size, expected = os.fstat(self._file).st_size, len(index.records) * index.shape.bytes
        if size != expected:
            raise Damaged(f"its file of pixels has {size:,} bytes where {expected:,} belong")
        for row in np.unique(np.linspace(0, len(self) - 1, min(_CHECKED, len(self))).astype(np.int64)):
            record = index.records[self._slots[row]]
            image = self[slice(row, row + 1)][0, :, : record["height"], : record["width"]]
            if digest(image.numpy()) != record["digest"].tobytes():
                raise Damaged("its pixels are not those of its index")

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def shape(self) -> torch.Size:
        """(N, C, M, M)."""
        return torch.Size((len(self), self._shape.channels, self._shape.canvas, self._shape.canvas))

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """uint8 [B, C, M, M] of these rows."""
        slots = self._slots[rows if isinstance(rows, slice) else rows.numpy()]
        out = torch.empty((len(slots), *self.shape[1:]), dtype=torch.uint8)
        to = out.numpy().data.cast("B") if len(slots) else memoryview(b"")
        size = self._shape.bytes
        order = np.argsort(slots, kind="stable")  # in the order of the disk
        alone = np.diff(slots[order]) != 1
        if len(slots) and not alone.any() and (order[1:] > order[:-1]).all():  # one stretch of the file
            self._read(to, int(slots[0]) * size)
            return out
        for k, slot in zip(order.tolist(), slots[order].tolist(), strict=True):
            self._read(to[k * size : (k + 1) * size], slot * size)
        return out

    def _read(self, to: memoryview, start: int) -> None:
        while to:
            n = os.preadv(self._file, [to[:_MOST_READ]], start)
            if n == 0:
                raise Damaged("its file of pixels ends too early")
            to, start = to[n:], start + n
