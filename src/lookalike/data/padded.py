"""Images padded to one size, their center crops, and hashes of their pixels.

A padded image is uint8 [C, M, M] with the image in its upper left corner and zeros elsewhere. Whatever holds padded
images is asked for some rows at a time: a tensor, a file (`store.py`), or files that are decoded when they are asked
for (`lazy_images.py`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from lookalike.core.arithmetic import outside_autocast
from lookalike.core.progress import phase
from lookalike.core.resample import central_boxes, resized_crop

DIGEST = 16  # bytes of an image's hash
_BLOCK = 2**24  # values of padded images that are handled at once
# Halves are common where small whole numbers are averaged: they are rounded up although a sum may come out a little
# below, so that a pixel does not depend on how many images were scaled together.
HALF = 0.5 + 2.0**-10


class PaddedImages(Protocol):
    """What holds padded images: a tensor uint8 [N, C, H, W] on the CPU, or an object that is indexed as one."""

    @property
    def shape(self) -> torch.Size:
        """(N, C, H, W)."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Tensor | slice, /) -> Tensor:
        """uint8 [B, C, H, W] of these rows."""
        ...


def prefetch(padded_images: PaddedImages, rows: Tensor) -> None:
    """Say that these rows will be asked for next, where that helps."""
    ahead = getattr(padded_images, "prefetch", None)
    if ahead is not None:
        ahead(rows)


class CenterCrops:
    """The central square of each image, its shorter side scaled to S pixels; computed when it is indexed.

    It is indexed by rows as a tensor uint8 [N, C, S, S]. Where images already have that size they are returned as they
    are. Values are rounded. They do not depend on which rows are computed in one call.
    """

    def __init__(
        self,
        padded_images: PaddedImages,
        sizes_N2: Tensor | None,
        side: int,
        order_N: Tensor,
        rows: Tensor | None = None,
    ) -> None:
        """Crops of all images, or of `rows` of them; `order_N` are their content ranks (`Images.order`)."""
        self._padded, self._sizes_N2, self._side = padded_images, sizes_N2, side
        self._order_N, self._rows = order_N, rows

    def __len__(self) -> int:
        return len(self._padded) if self._rows is None else len(self._rows)

    @property
    def shape(self) -> torch.Size:
        """(N, C, S, S)."""
        return torch.Size((len(self), self._padded.shape[1], self._side, self._side))

    @outside_autocast
    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """uint8 [B, C, S, S] of these rows."""
        plain = self._sizes_N2 is None and tuple(self._padded.shape[2:]) == (self._side, self._side)
        if plain:
            return self._padded[rows if self._rows is None else self._rows[rows]]
        numbers = (torch.arange(len(self._padded)) if self._rows is None else self._rows)[rows]
        # images that lie on a GPU are cropped there, and the crops stay there
        device = getattr(self._padded, "device", None)
        out = torch.empty(len(numbers), *self.shape[1:], dtype=torch.uint8, device=device)
        block = max(1, _BLOCK // math.prod(self._padded.shape[1:]))
        for start in range(0, len(numbers), block):
            out[start : start + block] = self._made(numbers[start : start + block])
        return out

    def _made(self, numbers_B: Tensor) -> Tensor:
        padded_images = self._padded[numbers_B]
        if self._sizes_N2 is None:
            sizes_B2 = torch.tensor([padded_images.shape[2:]]).expand(len(padded_images), 2)
        else:
            sizes_B2 = self._sizes_N2[numbers_B]
        crop = resized_crop(padded_images.float(), central_boxes(sizes_B2), self._side)
        return (crop + HALF).clamp_(0.0, 255.0).to(torch.uint8)

    def take(self, rows: Tensor) -> CenterCrops:
        """The crops of these rows alone; nothing is computed yet."""
        numbers = rows if self._rows is None else self._rows[rows]
        return CenterCrops(self._padded, self._sizes_N2, self._side, self._order_N, numbers)

    @property
    def content_order(self) -> Tensor:
        """Rows (int64) sorted by content.

        What is computed in this order, a block at a time, is the same to the bit whatever the images are called.
        """
        order = self._order_N if self._rows is None else self._order_N[self._rows]
        return torch.argsort(order, stable=True)

    def blocks(self, size: int) -> Iterator[Tensor]:
        """All crops, in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self[slice(start, start + size)]


def digest(image_CHW: np.ndarray) -> bytes:
    """A hash of an image's height, width, number of channels and values; uint8, without padding."""
    channels, height, width = image_CHW.shape
    hasher = hashlib.blake2b(np.array([height, width, channels], "<u4").tobytes(), digest_size=DIGEST)
    hasher.update(np.ascontiguousarray(image_CHW).data)
    return hasher.digest()


def digests(padded_images: PaddedImages, sizes_N2: Tensor | None) -> np.ndarray:
    """The hash of each image, uint8 [N, 16]."""
    out = np.empty((len(padded_images), DIGEST), np.uint8)
    block = max(1, _BLOCK // max(1, math.prod(padded_images.shape[1:])))
    with phase("telling images apart by their pixels", len(padded_images)) as p:
        for start in range(0, len(padded_images), block):
            part = padded_images[slice(start, start + block)].contiguous().numpy()
            sizes = [part.shape[2:]] * len(part) if sizes_N2 is None else sizes_N2[start : start + block].tolist()
            hashes = [digest(x[:, :h, :w]) for x, (h, w) in zip(part, sizes, strict=True)]
            out[start : start + block] = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, DIGEST)
            p.step(len(part))
    return out


def content_ranks(digests_N16: np.ndarray) -> np.ndarray:
    """The rank (int64 [N]) of each image when all are sorted by hash; equal ones in the order of their rows."""
    high, low = np.ascontiguousarray(digests_N16).view(">u8").reshape(-1, 2).T
    rows = np.lexsort((low, high))
    out = np.empty(len(rows), np.int64)
    out[rows] = np.arange(len(rows))
    return out
