"""Images from FILE.npy or FILE.npz: [N, H, W], [N, H, W, C] or [N, C, H, W], of any number of channels.

uint8 is taken as it is; other numbers become 8 bits image by image, as `decode.py` says. An .npz holds `images` (or
`x`, or its only array), optionally `labels` (or `y`), `paths` and `split`. A large .npy file is mapped into memory and
not read ahead.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lookalike.core.errors import LookalikeError
from lookalike.core.words import counted
from lookalike.data.axes import channels_are_first
from lookalike.data.base import Images
from lookalike.data.levels import eight_bits
from lookalike.data.npy import MAGIC
from lookalike.data.signatures import HEAD, what_is
from lookalike.data.unreadable import Unreadable, reason_of

_SMALL = 256 << 20  # bytes up to which images are laid out anew, channels first
_BOMB_RATIO, _BOMB_BYTES = 500, 1 << 30  # an .npz that grows by more than this, to more than this


def load(place: Path, image_size: int | None = None, download: bool = False) -> Images:
    """The images of a numpy file."""
    if place.suffix.lower() not in (".npy", ".npz"):
        raise LookalikeError(f"{place} is no .npy or .npz file; give a folder to read image files")
    try:
        with open(place, "rb") as file:
            head = file.read(HEAD)
        if not head.startswith((MAGIC, b"PK")):
            raise Unreadable(what_is(head))
        if place.suffix.lower() == ".npy":
            # copied on write: torch wants an array that could be written, and the file stays as it is
            arrays: dict[str, np.ndarray] = {"images": np.load(place, mmap_mode="c", allow_pickle=False)}
        else:
            _refuse_bomb(place)
            with open(place, "rb") as file:  # numpy leaves a damaged .npz open when it opens it itself
                loaded = np.load(file, allow_pickle=False)
                single = isinstance(loaded, np.ndarray)
                arrays = {"images": loaded} if single else {key: loaded[key] for key in loaded.files}
    except LookalikeError:
        raise
    except Exception as error:  # what a damaged header says can make numpy raise nearly anything
        raise LookalikeError(f"cannot read {place}: {reason_of(error)}") from error
    key: str | None = next((k for k in ("images", "x") if k in arrays), None)
    if key is None and len(arrays) == 1:
        (key,) = arrays
    if key is None:
        raise LookalikeError(f"{place} holds {sorted(arrays)}; the images must be called 'images' or 'x'")
    return from_array(
        arrays[key],
        labels=arrays.get("labels", arrays.get("y")),
        paths=arrays.get("paths"),
        split=arrays.get("split"),
        name=place.stem,
        where=str(place),
    )


def from_array(
    x: np.ndarray,
    labels: np.ndarray | None = None,
    paths: np.ndarray | None = None,
    split: np.ndarray | None = None,
    *,
    name: str = "array",
    where: str = "array",
) -> Images:
    """Images of an array [N, H, W], [N, H, W, C] or [N, C, H, W] of numbers.

    Labels may be integers, of which negative ones mean none, or names. Which of
    four axes means channels, `axes.py` says.
    """
    if x.dtype.kind not in "buif":
        raise LookalikeError(f"{where}: images must be numbers, uint8 at best, got {x.dtype}")
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and 0 not in x.shape and not channels_are_first(x.shape[1:]):
        x = x.transpose(0, 3, 1, 2)
    elif x.ndim != 4:
        raise LookalikeError(f"{where}: images must be [N, H, W], [N, H, W, C] or [N, C, H, W], got {list(x.shape)}")
    if 0 in x.shape:
        raise LookalikeError(f"{where} holds no pixels: its shape is {list(x.shape)}")
    n = len(x)
    for what, values in (("labels", labels), ("paths", paths), ("split", split)):
        if values is not None and values.shape != (n,):
            raise LookalikeError(f"{where}: {counted(n, 'image')} but {what} of shape {list(values.shape)}")
    y: Tensor | None = None
    classes: tuple[str, ...] = ()
    if labels is not None:
        labelled = labels >= 0 if labels.dtype.kind == "i" else np.ones(n, dtype=bool)
        names, codes = np.unique(labels[labelled], return_inverse=True)
        if len(names):
            classes = tuple(str(v) for v in names)
            y = torch.full((n,), -1)
            y[torch.from_numpy(labelled)] = torch.from_numpy(codes).long()
    if split is not None and not set(map(str, split)) <= {"train", "test", "val"}:
        raise LookalikeError(f"{where}: split may say train, test or val, got {sorted(set(map(str, split)))[:5]}")
    return Images(
        pixels=torch.from_numpy(_as_uint8(x, where)),
        paths=tuple(map(str, paths)) if paths is not None else tuple(f"{name}/{i:06d}" for i in range(n)),
        labels=y,
        classes=classes,
        split=None if split is None else tuple("train" if s == "train" else "test" for s in map(str, split)),
        name=name,
    )


def _as_uint8(x_NCHW: np.ndarray, where: str) -> np.ndarray:
    """uint8 [N, C, H, W]; large ones stay where they are."""
    if x_NCHW.dtype == np.uint8:
        return x_NCHW if x_NCHW.nbytes > _SMALL else np.require(x_NCHW, requirements=("C", "W"))
    out = np.empty(x_NCHW.shape, np.uint8)
    for i, image in enumerate(x_NCHW):
        try:
            out[i] = eight_bits(image.transpose(1, 2, 0)).transpose(2, 0, 1)
        except Unreadable as error:
            raise LookalikeError(f"{where}: image {i} {error}") from error
    return out


def _refuse_bomb(place: Path) -> None:
    """Stop before a small .npz fills the memory."""
    if not zipfile.is_zipfile(place):
        return
    with zipfile.ZipFile(place) as archive:
        unpacked = sum(info.file_size for info in archive.infolist())
    packed = place.stat().st_size
    if unpacked > _BOMB_BYTES and unpacked > _BOMB_RATIO * packed:
        raise LookalikeError(
            f"{place}: {packed:,} bytes would become {unpacked:,}: a decompression bomb; it is not read"
        )
