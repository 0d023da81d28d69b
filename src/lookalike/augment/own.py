"""An augmentation of somebody's own: a function of batches, torchvision's transforms, or Albumentations.

A function is handed uint8 [B, C, S, S], the center crops of images, and returns as many images, uint8 or floating in
[0, 1], of any size. torchvision and Albumentations draw one set of parameters a call, so they are called once an image.
The generators of PyTorch, NumPy and Python are set before each call, by seed, epoch, image and view (of a batch: its
first image), and put back after it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.augment.base import At, Augmentation, as_float
from lookalike.core import own_code, rng
from lookalike.core.resample import central_boxes, resized_crop

_NUMPY_SEEDS = 2**32


class OwnAugmentation(Augmentation):
    """A callable in the place of an augmentation of ours."""

    def __init__(self, function: Callable[..., object], side: int) -> None:
        """`side` pixels has a view."""
        super().__init__(())
        self.function, self.side = function, side
        self.package = type(function).__module__.partition(".")[0]

    def _views(self, images_BCHW: Tensor, at: At, sizes_B2: Tensor | None, size: int | None) -> Tensor:
        x_BCHW = _center_crops(images_BCHW, sizes_B2)
        if self.package not in ("torchvision", "albumentations"):
            with seeded(rng.derive(at.seed, "augment/own", at.epoch, at.view, int(at.index_B[0]))):
                return self._checked(self.function(x_BCHW), x_BCHW)
        views = []
        for x_CHW, index in zip(x_BCHW, at.index_B.tolist(), strict=True):
            number = rng.derive(at.seed, "augment/own", at.epoch, at.view, index)
            call = self._by_albumentations if self.package == "albumentations" else self._by_torchvision
            with seeded(number):
                made = call(x_CHW, number)
            views.append(self._checked(made[None] if isinstance(made, Tensor) else made, x_CHW[None]))
        return torch.cat(views)

    def _by_torchvision(self, x_CHW: Tensor, number: int) -> object:
        return self.function(x_CHW)

    def _by_albumentations(self, x_CHW: Tensor, number: int) -> object:
        set_seed = getattr(self.function, "set_random_seed", None)
        if set_seed is not None:  # newer ones have generators of their own
            set_seed(number % _NUMPY_SEEDS)
        results = self.function(image=x_CHW.permute(1, 2, 0).cpu().numpy())
        made: object = results["image"] if isinstance(results, Mapping) else results
        if not isinstance(made, np.ndarray):  # its ToTensorV2 was the last of it
            return made
        return torch.from_numpy(np.ascontiguousarray(np.atleast_3d(made))).permute(2, 0, 1).to(x_CHW.device)

    def _checked(self, made: object, given_BCHW: Tensor) -> Tensor:
        """Views float32 [B, C, side, side] in [0, 1].

        Raises:
            OwnCodeError: what was returned is no images, or not as many.
        """
        wanted = list(given_BCHW.shape[:2])
        if not isinstance(made, Tensor) or made.ndim != 4 or list(made.shape[:2]) != wanted:
            what = f"a tensor of shape {list(made.shape)}" if isinstance(made, Tensor) else type(made).__name__
            raise own_code.wrong(self.function, f"the augmentation returned {what} for images {list(given_BCHW.shape)}")
        if made.dtype != torch.uint8 and not made.is_floating_point():
            raise own_code.wrong(self.function, f"the augmentation returned {made.dtype}: it must be uint8 or floating")
        x_BCHW = as_float(made).float().to(given_BCHW.device)
        if tuple(x_BCHW.shape[2:]) != (self.side, self.side):
            x_BCHW = F.interpolate(x_BCHW, (self.side, self.side), mode="bilinear", antialias=True)
        return x_BCHW


def _center_crops(images_BCHW: Tensor, sizes_B2: Tensor | None) -> Tensor:
    """The center crops of images, uint8, at the side of the padded images."""
    height, width = images_BCHW.shape[2:]
    if sizes_B2 is None and height == width:
        return images_BCHW
    sizes_B2 = torch.tensor([[height, width]]).expand(len(images_BCHW), 2) if sizes_B2 is None else sizes_B2
    x_BCHW = resized_crop(as_float(images_BCHW), central_boxes(sizes_B2), width)
    return x_BCHW.mul_(255).round_().clamp_(0, 255).to(torch.uint8)


@contextmanager
def seeded(number: int) -> Iterator[None]:
    """The generators of PyTorch, NumPy and Python begin with a number inside, and are put back."""
    states = np.random.get_state(), random.getstate()
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(number)
            np.random.seed(number % _NUMPY_SEEDS)
            random.seed(number)
            yield
    finally:
        np.random.set_state(states[0])
        random.setstate(states[1])
