"""Images in memory: uint8 [N, C, H, W] with paths, and labels and splits where there are some.

A source is a module of this room with a function `load(place, options) -> Images`; `lookalike DATA`
finds it by the name before the colon (`mnist:DIR`) or by what the path is (a folder, a .npy file).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.core import registry
from lookalike.core.errors import LookalikeError, did_you_mean

HELD_OUT = 0.2  # share of the labelled images held out for evaluation where the data has no split
_PATHS = {"folder", "array"}  # sources named by a path alone


@dataclass(frozen=True)
class Images:
    """A data set. N images in a fixed order, C channels."""

    pixels: Tensor
    """uint8 [N, C, H, W], on the CPU."""
    paths: tuple[str, ...]
    """One name per image, relative to the source, unique."""
    labels: Tensor | None = None
    """int64 [N], -1 where an image has none. For evaluation only: self-supervision never sees them."""
    classes: tuple[str, ...] = ()
    """Names of the labels."""
    split: tuple[str, ...] | None = None
    """"train" or "test" per image, where the data has a split of its own."""
    name: str = "images"
    """A short name, for run folders."""
    skipped: tuple[tuple[str, str], ...] = field(default=())
    """Files that were passed over, with the reason."""

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        c, h, w = self.pixels.shape[1:]
        return c, h, w

    @cached_property
    def training(self) -> Tensor:
        """Rows (int64) that training may see: the training split, or all where there is no split."""
        if self.split is None:
            return torch.arange(len(self))
        return torch.tensor([i for i, s in enumerate(self.split) if s == "train"], dtype=torch.int64)

    @cached_property
    def evaluation(self) -> tuple[Tensor, Tensor] | None:
        """Labelled rows to learn from and to test on, or None where there are no labels.

        Without a split of its own, a fifth of the images is held out, chosen by a hash of the
        relative path: adding files moves none of the others.
        """
        if self.labels is None:
            return None
        if self.split is None:
            test = torch.tensor([_hash_fraction(path) < HELD_OUT for path in self.paths])
        else:
            test = torch.tensor([s == "test" for s in self.split])
        labelled = self.labels >= 0
        return torch.nonzero(labelled & ~test)[:, 0], torch.nonzero(labelled & test)[:, 0]

    @cached_property
    def fingerprint(self) -> str:
        """A hash of paths, splits and pixels; labels are left out, as training does not see them."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(repr((self.paths, self.split, list(self.pixels.shape))).encode())
        digest.update(self.pixels.contiguous().numpy().data)
        return digest.hexdigest()


def _hash_fraction(path: str) -> float:
    return int.from_bytes(hashlib.blake2b(os.fsencode(path), digest_size=8).digest(), "big") / 2**64


def load(data: str, image_size: int | None = None, download: bool = False) -> Images:
    """Images of a DATA argument.

    Args:
        data: a folder, FILE.npy, FILE.npz, `digits`, `mnist:DIR` or `cifar10:DIR`.
        image_size: side of the square that images of differing size are brought to, pixels.
        download: fetch `mnist:` or `cifar10:` first where the files are missing.

    Raises:
        LookalikeError: nothing is there, or it cannot be read; the message says what was found.
    """
    if not data:
        raise LookalikeError("no images named: give a folder, a .npy file, digits, mnist:DIR or cifar10:DIR")
    kind, colon, place = data.partition(":")
    named = [name for name in registry.names("data") if name not in _PATHS]
    if Path(data).exists() and not (colon and kind in named):
        source = "array" if Path(data).is_file() else "folder"
        images = registry.find("data", source, "source").load(Path(data), image_size, download)
    elif kind in named:
        images = registry.find("data", kind, "source").load(Path(place).expanduser(), image_size, download)
    else:
        hint = did_you_mean(kind, named) if colon else "give a folder, a .npy file, digits, mnist:DIR or cifar10:DIR"
        raise LookalikeError(f"no such folder or file: {data} (working folder {Path.cwd()}); {hint}")
    if len(images) == 0:
        raise LookalikeError(f"{data} holds no images")
    side = image_size or min(images.shape[1:])
    if images.shape[1:] != (side, side):
        images = replace(images, pixels=resize(images.pixels, side))
    return images


def resize(x_NCHW: Tensor, side: int) -> Tensor:
    """uint8 images scaled so that the shorter side is `side` pixels, then cut to the central square."""
    height, width = x_NCHW.shape[2:]
    scale = side / min(height, width)
    new = (max(side, round(height * scale)), max(side, round(width * scale)))
    top, left = (new[0] - side) // 2, (new[1] - side) // 2
    parts = []
    for part in x_NCHW.split(1024):  # a block at a time: floats take four times the memory of the images
        x = F.interpolate(part.float(), size=new, mode="bilinear", antialias=True)
        x = x[:, :, top : top + side, left : left + side].round().clamp(0, 255).to(torch.uint8)
        parts.append(x)
    return torch.cat(parts)
