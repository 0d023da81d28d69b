"""Images: padded uint8 images with their paths, and labels and splits where the data has them.

`sources.py` says which module of this package reads what.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.core.words import counted
from lookalike.data.examined import Examined
from lookalike.data.image_index import ImageIndex
from lookalike.data.padded import CenterCrops, PaddedImages, content_ranks, digests

_LOOKED_AT = 256  # training images that tell whether there are colours
_TINGE = 4.0  # grey levels between the channels of a pixel, mean of an image, that are no colour yet
_TINGED = 0.01  # share of images with more than that, from which the collection is one in colour
HELD_OUT = 0.2  # share of the labelled images held out for evaluation where the data has no split


@dataclass(frozen=True)
class LoadConfig:
    """How image files are loaded: whether and where decoded images are stored."""

    store: bool = True
    """Keep decoded images in a store on the disk, which the next run finds again."""
    cache: str | None = None
    """Folder of stores; None: $XDG_CACHE_HOME/lookalike, or ~/.cache/lookalike."""
    limit: str | None = None
    """What a store may take, such as "50GB"; None: half of the free disk."""
    skip_bad: bool = False
    """Go on however many images cannot be read, as long as some can."""
    listed: Callable[[int], None] | None = None
    """Is told how many files there are, before the first of them is read."""


@dataclass(frozen=True)
class Images:
    """A data set. N images in a fixed order, C channels.

    Training takes its views from `pixels`; everything else looks at `center_crops`.
    """

    pixels: Tensor | PaddedImages
    """Padded images, uint8 [N, C, M, M] on the CPU: a tensor, or an object that is indexed by rows. Images that are all
    of one size may be oblong."""
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
    sizes: Tensor | None = None
    """int32 [N, 2], height and width of each image; None where no image is padded."""
    side: int | None = None
    """S, the side of the square that the network sees; None for the side of the padded images."""
    colour: bool = True
    """Whether three channels mean red, green and blue."""
    known_digests: np.ndarray | None = None
    """`digests`, where whoever made the images has them."""
    examined: Sequence[Examined] = ()
    """A record of each listed image, readable or not, where it was decoded."""
    listed: ImageIndex | None = None
    """The index that they were decoded from; `quality_of(listed, examined)` describes them."""

    def __post_init__(self) -> None:
        for what, values in (("pixels", self.pixels), ("sizes", self.sizes), ("digests", self.known_digests)):
            if values is not None and len(values) != len(self.paths):
                raise ValueError(f"{counted(len(self.paths), 'image')} but {what} of {len(values)}")

    def __len__(self) -> int:
        return len(self.paths)

    def of_rows(self, rows: Tensor) -> Images:
        """The images of these rows (int64) alone, read into memory."""
        row_numbers = rows.tolist()
        return replace(
            self,
            pixels=self.pixels[rows],
            paths=tuple(self.paths[row] for row in row_numbers),
            labels=None if self.labels is None else self.labels[rows],
            split=None if self.split is None else tuple(self.split[row] for row in row_numbers),
            sizes=None if self.sizes is None else self.sizes[rows],
            known_digests=self.digests[rows.numpy()],
            examined=(),
            listed=None,
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, S, S): what the network sees."""
        side = self.side or min(self.pixels.shape[2:])
        return self.pixels.shape[1], side, side

    @cached_property
    def coloured(self) -> bool:
        """Whether colours are to be seen: three channels that mean them, and are not the same as in grey images that
        were saved in colour. A sample of the training images tells."""
        if self.shape[0] != 3 or not self.colour:
            return False
        x_NCHW = self.center_crops[self.training[:_LOOKED_AT]]
        tinge_N = (x_NCHW.amax(1) - x_NCHW.amin(1)).float().mean((1, 2))
        return bool((tinge_N > _TINGE).float().mean() > _TINGED)

    @cached_property
    def center_crops(self) -> CenterCrops:
        """The central square of each image, indexed as uint8 [N, C, S, S]."""
        return CenterCrops(self.pixels, self.sizes, self.shape[1], self.order)

    @cached_property
    def digests(self) -> np.ndarray:
        """uint8 [N, 16]: a hash of each image's size and pixels. Equal images have equal ones."""
        return digests(self.pixels, self.sizes) if self.known_digests is None else self.known_digests

    @cached_property
    def order(self) -> Tensor:
        """int64 [N]: the place of each image when all are sorted by their digests (copies by row).

        It names an image wherever something random is asked of it, so that neither names nor folders matter.
        """
        return torch.from_numpy(content_ranks(self.digests))

    @cached_property
    def training(self) -> Tensor:
        """Rows (int64) that training may see, sorted by `order`: the training split, or all where there is none."""
        rows = torch.argsort(self.order)
        if self.split is None:
            return rows
        return rows[torch.tensor([s == "train" for s in self.split])[rows]]

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
        """A hash of paths, splits, sizes and pixels; labels are left out, as training does not see them."""
        hasher = hashlib.blake2b(digest_size=16)
        settings = (list(self.pixels.shape), self.shape, self.colour)
        hasher.update(repr((self.paths, self.split, settings)).encode())
        hasher.update(np.ascontiguousarray(self.digests).data)
        return hasher.hexdigest()


def _hash_fraction(path: str) -> float:
    return int.from_bytes(hashlib.blake2b(os.fsencode(path), digest_size=8).digest(), "big") / 2**64


def content_order(images: Images, rows: Tensor) -> Tensor:
    """Rows (int64) sorted by the content of their images (`Images.order`), so that names do not matter."""
    return rows[torch.argsort(images.order[rows])]


def fitted(images: Images, side: int) -> Images:
    """Images in memory, all of one size, of which the network sees squares of `side` pixels.

    They keep their aspect, so that crops reach all of them; the longer side is brought to twice `side` where it is
    more, as views need no finer pixels.
    """
    pixels = images.pixels
    assert isinstance(pixels, Tensor) and images.sizes is None
    height, width = pixels.shape[2:]
    scale = 2 * side / max(height, width)
    if scale < 1:
        new = (max(1, round(height * scale)), max(1, round(width * scale)))
        parts = []
        for part in pixels.split(1024):  # a block at a time: floats take four times the memory of the images
            x = F.interpolate(part.float(), size=new, mode="bilinear", antialias=True)
            parts.append(x.round().clamp(0, 255).to(torch.uint8))
        pixels = torch.cat(parts)
    return replace(images, pixels=pixels, side=side, known_digests=None)
