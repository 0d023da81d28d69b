"""The index of a source of image files: names and how to open each, with labels and splits where the source has them.

Sources (folder, list, archive...) only list. Decoding (`decode.py`), examination (`quality.py`) and the store
(`store.py`) are the same for all of them, so that equal pixels are equal images wherever they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from lookalike.core.errors import LookalikeError
from lookalike.core.names import composed
from lookalike.core.passed_over import PassedOver
from lookalike.data.deep import DeepImage
from lookalike.data.jpeg import Jpeg

Raw = Image.Image | Jpeg | DeepImage | np.ndarray
"""An image as its file gives it: opened and not yet decoded, or an array [H, W] or [H, W, C]."""


class NoneReadable(LookalikeError):
    """None of the images of an index can be read."""

    def __init__(self, message: str, refused: Sequence[tuple[str, str]]) -> None:
        super().__init__(message)
        self.refused = tuple(refused)
        """Their names, and why not."""


@dataclass(frozen=True)
class ImageRef:
    """One image that can be read."""

    name: str
    """Relative to the source, posix separators, unique in its index."""
    stamp: tuple[int | str, ...]
    """Changes when the content does: size and time of change of a file, position in an archive."""
    open: Callable[[], Raw]
    """The image; raises anything at all where the file is broken. Called from several threads."""


@dataclass(frozen=True)
class ImageIndex:
    """References to the images of a source, in the order of their names."""

    entries: tuple[ImageRef, ...]
    name: str
    """A short name, for run folders."""
    labels: tuple[str | None, ...] | None = None
    """Name of each entry's class, None where it has none; for evaluation only."""
    split: tuple[str, ...] | None = None
    """"train" or "test" per entry, where the source has a split."""
    refused: tuple[tuple[str, str], ...] = ()
    """What was found and is not listed, with the reason: a pipe, a file that may not be read, a member with ../"""
    notes: tuple[str, ...] = ()
    """Sentences about the source for the user: a link in a circle, two names that differ in case only."""
    passed_over: tuple[PassedOver, ...] = ()
    """What is there beside the images and is not read, counted by kind."""

    def __post_init__(self) -> None:
        if self.labels is not None:  # two spellings of an accent are one class
            labels = tuple(None if label is None else composed(label) for label in self.labels)
            object.__setattr__(self, "labels", labels)
