"""Images that are decoded when they are asked for: for collections that are to leave no store behind."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from lookalike.core.errors import LookalikeError
from lookalike.core.machine import cores
from lookalike.data.image_index import ImageRef
from lookalike.data.quality import examine
from lookalike.data.store_format import Shape

CACHE_BYTES = 2**28
"""Bytes of decoded images in the cache: the current batch and the next ones."""
FEWEST_CACHED = 64
"""Images that the cache holds at least, however large they are."""


class LazyImages:
    """Padded images (uint8 [N, C, M, M]) that worker threads decode; the same bits as a store of them."""

    def __init__(
        self, entries: Sequence[ImageRef], shape: Shape, cache_bytes: int = CACHE_BYTES, fewest: int = FEWEST_CACHED
    ) -> None:
        """The cache holds `cache_bytes` of images, and at least `fewest` of them."""
        self._entries, self._shape = entries, shape
        self._most = max(fewest, cache_bytes // shape.bytes)
        self._futures: OrderedDict[int, Future[Tensor]] = OrderedDict()
        self._begin()

    def _begin(self) -> None:
        self._futures.clear()
        self._pool, self._process = ThreadPoolExecutor(cores(), "decode"), os.getpid()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def shape(self) -> torch.Size:
        """(N, C, M, M)."""
        return torch.Size((len(self), self._shape.channels, self._shape.canvas, self._shape.canvas))

    def prefetch(self, rows: Tensor) -> None:
        """Begin to decode what will be asked for next."""
        for row in rows[: self._most // 2].tolist():
            self._ask(row)

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """uint8 [B, C, M, M] of these rows.

        Raises:
            LookalikeError: an image can no longer be read, or is another one now.
        """
        numbers = range(len(self))[rows] if isinstance(rows, slice) else rows.tolist()
        out = torch.zeros((len(numbers), *self.shape[1:]), dtype=torch.uint8)
        for start in range(0, len(numbers), self._most):
            asked = [self._ask(row) for row in numbers[start : start + self._most]]
            for k, future in enumerate(asked, start):
                image = future.result()
                out[k, :, : image.shape[1], : image.shape[2]] = image
        return out

    def _ask(self, row: int) -> Future[Tensor]:
        if self._process != os.getpid():  # forked since, and the threads are not here
            self._begin()
        future = self._futures.get(row)
        if future is None:
            future = self._futures[row] = self._pool.submit(self._decode, self._entries[row])
            if len(self._futures) > self._most:
                self._futures.popitem(last=False)
        else:
            self._futures.move_to_end(row)
        return future

    def _decode(self, entry: ImageRef) -> Tensor:
        pixels, examined = examine(entry, self._shape.canvas, self._shape.channels)
        if pixels is None:
            raise LookalikeError(f"{entry.name} could be read before and cannot any more: {examined.reason}")
        return torch.from_numpy(pixels).permute(2, 0, 1)
