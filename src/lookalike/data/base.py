"""Images in memory: uint8 [N, C, H, W] with paths, and labels and splits where there are some.

`sources.py` says which module of this room reads what.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.core.errors import LookalikeError

HELD_OUT = 0.2  # share of the labelled images held out for evaluation where the data has no split


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


def load(data: str | Sequence[str], image_size: int | None = None, download: bool = False) -> Images:
    """Images of a DATA argument.

    Args:
        data: one place or several; see `sources.find`.
        image_size: side of the square that images of differing size are brought to, pixels.
        download: fetch `mnist:` or `cifar10:` first where the files are missing.

    Raises:
        LookalikeError: nothing is there, or it cannot be read; the message says what was found.
    """
    from lookalike.data import sources, squares  # they import this module

    found = sources.find(data, download, image_size)
    images = found if isinstance(found, Images) else squares.load(found, image_size)
    if len(images) == 0:
        raise LookalikeError(f"{images.name} holds no images")
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
