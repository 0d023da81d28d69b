"""How well features tell which way up an image is: a figure without labels that goes with what labels would say.

Each image is turned by 0, 90, 180 and 270 degrees, and a linear classifier learns from half of the images which it
was. Which way is up can only be told from what is in a picture, and no recipe of views asks for it, so that
recipes can be compared by it (SelfAugment: Reed, Metzger, Srinivas, Darrell and Keutzer, CVPR 2021).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

TURNS = 4
CHANCE = 1 / TURNS
_PENALTY = 0.1  # ridge, of the mean variance: features are many and images few
_LEAST_SPREAD = 1e-6


def turned(images_NCHW: Tensor, quarters: int) -> Tensor:
    """Square images [N, C, S, S] turned counter-clockwise by that many quarters of a circle."""
    return torch.rot90(images_NCHW, quarters, (2, 3)).contiguous()


def rotation_accuracy(features: Callable[[Tensor], Tensor], images_NCHW: Tensor) -> float:
    """Share of images, of the half that is not learned from, whose turn is told rightly; 0.25 is chance.

    Args:
        features: frozen network, [N, C, S, S] -> [N, D] floating.
        images_NCHW: uint8 [N, C, S, S]; even rows are learned from, odd rows are asked.
    """
    x_QND = torch.stack([features(turned(images_NCHW, k)) for k in range(TURNS)]).double()
    learn, asked = x_QND[:, ::2].flatten(0, 1), x_QND[:, 1::2].flatten(0, 1)
    mean, spread = learn.mean(0), learn.std(0).clamp_min(_LEAST_SPREAD)
    learn, asked = (learn - mean) / spread, (asked - mean) / spread
    y_L = torch.arange(TURNS).repeat_interleave(len(learn) // TURNS)
    y_A = torch.arange(TURNS).repeat_interleave(len(asked) // TURNS)
    gram = learn.T @ learn / len(learn)
    gram.diagonal().add_(_PENALTY * gram.diagonal().mean() + _LEAST_SPREAD)
    one_hot = torch.nn.functional.one_hot(y_L, TURNS) - CHANCE
    weights = torch.linalg.solve(gram, learn.T @ one_hot.double() / len(learn))
    return float(((asked @ weights).argmax(1) == y_A).double().mean())
