"""Images on canvases of one size, the squares that a network sees of them, and hashes of what they show.

A canvas is uint8 [C, M, M] with an image in its upper left corner. Whatever holds canvases is asked for some rows at
a time: a tensor, a file (`store.py`), or image files that are decoded when asked for (`fly.py`).
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
_BLOCK = 2**24  # values of the canvases that are looked at together
# Halves are common where small whole numbers are averaged: they are rounded up although a sum may come out a little
# below, so that a pixel does not depend on how many images were scaled together.
HALF = 0.5 + 2.0**-10


class Canvases(Protocol):
    """What holds canvases: a tensor uint8 [N, C, H, W] on the CPU, or what can be asked as one."""

    @property
    def shape(self) -> torch.Size:
        """(N, C, H, W)."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Tensor | slice, /) -> Tensor:
        """uint8 [B, C, H, W] of these rows."""
        ...


def prefetch(canvases: Canvases, rows: Tensor) -> None:
    """Say that these rows will be asked for next, where that helps."""
    ahead = getattr(canvases, "prefetch", None)
    if ahead is not None:
        ahead(rows)


class Squares:
    """The central square of each image, its shorter side brought to S pixels; made when asked for.

    Asked as a tensor uint8 [N, C, S, S] is asked for rows. Where an image fills a canvas of that size, the square is
    the canvas. Values are rounded; they do not depend on which rows are asked for together.
    """

    def __init__(
        self, canvases: Canvases, sizes_N2: Tensor | None, side: int, order_N: Tensor, rows: Tensor | None = None
    ) -> None:
        """Squares of all images, or of `rows` of them; `order_N` are their places by content (`Images.order`)."""
        self._canvases, self._sizes_N2, self._side, self._order_N, self._rows = canvases, sizes_N2, side, order_N, rows

    def __len__(self) -> int:
        return len(self._canvases) if self._rows is None else len(self._rows)

    @property
    def shape(self) -> torch.Size:
        """(N, C, S, S)."""
        return torch.Size((len(self), self._canvases.shape[1], self._side, self._side))

    @outside_autocast
    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """uint8 [B, C, S, S] of these rows."""
        plain = self._sizes_N2 is None and tuple(self._canvases.shape[2:]) == (self._side, self._side)
        if plain:
            return self._canvases[rows if self._rows is None else self._rows[rows]]
        numbers = (torch.arange(len(self._canvases)) if self._rows is None else self._rows)[rows]
        # where the canvases are: those that were brought to a GPU are made into squares there, and stay
        device = getattr(self._canvases, "device", None)
        out = torch.empty(len(numbers), *self.shape[1:], dtype=torch.uint8, device=device)
        block = max(1, _BLOCK // math.prod(self._canvases.shape[1:]))
        for start in range(0, len(numbers), block):
            out[start : start + block] = self._made(numbers[start : start + block])
        return out

    def _made(self, numbers_B: Tensor) -> Tensor:
        canvases = self._canvases[numbers_B]
        if self._sizes_N2 is None:
            sizes_B2 = torch.tensor([canvases.shape[2:]]).expand(len(canvases), 2)
        else:
            sizes_B2 = self._sizes_N2[numbers_B]
        square = resized_crop(canvases.float(), central_boxes(sizes_B2), self._side)
        return (square + HALF).clamp_(0.0, 255.0).to(torch.uint8)

    def take(self, rows: Tensor) -> Squares:
        """The squares of these rows alone; nothing is computed yet."""
        numbers = rows if self._rows is None else self._rows[rows]
        return Squares(self._canvases, self._sizes_N2, self._side, self._order_N, numbers)

    @property
    def by_content(self) -> Tensor:
        """Rows (int64) sorted by content.

        What is computed in this order, a block at a time, is the same to the bit whatever the images are called.
        """
        order = self._order_N if self._rows is None else self._order_N[self._rows]
        return torch.argsort(order, stable=True)

    def blocks(self, size: int) -> Iterator[Tensor]:
        """All squares, in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self[slice(start, start + size)]


def digest(image_CHW: np.ndarray) -> bytes:
    """A hash of an image's height, width, number of channels and values; uint8, without a canvas around it."""
    channels, height, width = image_CHW.shape
    hasher = hashlib.blake2b(np.array([height, width, channels], "<u4").tobytes(), digest_size=DIGEST)
    hasher.update(np.ascontiguousarray(image_CHW).data)
    return hasher.digest()


def digests(canvases: Canvases, sizes_N2: Tensor | None) -> np.ndarray:
    """The hash of each image, uint8 [N, 16]."""
    out = np.empty((len(canvases), DIGEST), np.uint8)
    block = max(1, _BLOCK // max(1, math.prod(canvases.shape[1:])))
    with phase("telling images apart by their pixels", len(canvases)) as p:
        for start in range(0, len(canvases), block):
            part = canvases[slice(start, start + block)].contiguous().numpy()
            sizes = [part.shape[2:]] * len(part) if sizes_N2 is None else sizes_N2[start : start + block].tolist()
            hashes = [digest(x[:, :h, :w]) for x, (h, w) in zip(part, sizes, strict=True)]
            out[start : start + block] = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, DIGEST)
            p.step(len(part))
    return out


def places(digests_N16: np.ndarray) -> np.ndarray:
    """The place (int64 [N]) of each image when all are sorted by hash; equal ones in the order of their rows."""
    high, low = np.ascontiguousarray(digests_N16).view(">u8").reshape(-1, 2).T
    rows = np.lexsort((low, high))
    out = np.empty(len(rows), np.int64)
    out[rows] = np.arange(len(rows))
    return out
