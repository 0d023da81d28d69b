"""Looks at a network in training: health without labels, kNN where labels exist.

A look changes nothing: eval mode, views of a purpose of their own, no state. Only training images are
looked at, so that nobody is tempted to choose by the test split.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.augment.base import Recipe, as_float
from lookalike.core import rng
from lookalike.core.ranks import blocks
from lookalike.data.base import Images
from lookalike.data.canvas import Squares
from lookalike.engine.backbone import Backbone
from lookalike.engine.views import view_of
from lookalike.evaluate.health import GALLERY, Health, measure
from lookalike.evaluate.knn import knn_accuracy
from lookalike.evaluate.neighbours import same_class_rate

_BANK, _QUERIES = 8192, 1024  # labelled training images of the kNN monitor
_PIXEL_SIDE = 32  # raw pixels are compared at this size at the most


@dataclass(frozen=True)
class Look:
    """One look: health, and within the training images (None without labels) the kNN accuracy and the share of an
    image's 20 nearest that are of its class."""

    health: Health
    knn: float | None = None
    closest: float | None = None

    def event(self) -> dict[str, float | int | None]:
        """As values of an event."""
        return {**asdict(self.health), "knn": self.knn, "closest": self.closest}

    @staticmethod
    def health_of(event: dict[str, Any]) -> Health:
        """The health in what `event` gave."""
        return Health(**{field.name: event[field.name] for field in fields(Health)})


class Looker:
    """Looks at encoders with the same images and the same views each time."""

    def __init__(self, images: Images, recipe: Recipe, seed: int) -> None:
        rows = images.training  # by content: what is looked at does not depend on names
        gallery = rows[rng.permutation(seed, "look/gallery", 0, len(rows))[:GALLERY]]
        self.gallery = images.squares[gallery]
        self.views = view_of(images, recipe, gallery, seed=seed, epoch=-1, view=0)
        self.bank: tuple[Squares, Tensor] | None = None
        self.queries: tuple[Squares, Tensor] | None = None
        if images.labels is not None:
            labelled = rows[images.labels[rows] >= 0]
            order = labelled[rng.permutation(seed, "look/knn", 0, len(labelled))]
            queries = min(_QUERIES, len(order) // 5)
            bank, asked = order[queries : queries + _BANK], order[:queries]
            if queries:
                self.bank = images.squares.take(bank), images.labels[bank]
                self.queries = images.squares.take(asked), images.labels[asked]

    def look(self, backbone: Backbone) -> Look:
        """Look at a network."""
        return self._look(backbone.features)

    def calibrated(self, backbone: Backbone) -> Backbone:
        """A network before its first step, its BatchNorm statistics taken from the gallery."""
        return backbone.calibrated(self.gallery)

    def look_untrained(self, backbone: Backbone) -> Look:
        """Look at a network before its first step."""
        return self._look(self.calibrated(backbone).features)

    def look_at_pixels(self) -> Look:
        """The same with raw pixels as features."""
        return self._look(pixel_features)

    def _look(self, features: Callable[[Tensor | Squares], Tensor]) -> Look:
        health = measure(features(self.gallery), features(self.views))
        if self.bank is None or self.queries is None:
            return Look(health)
        known = features(self.bank[0]), self.bank[1], features(self.queries[0]), self.queries[1]
        return Look(health, knn_accuracy(*known), same_class_rate(*known))


def pixel_features(images_NCHW: Tensor | Squares) -> Tensor:
    """Raw pixels [N, C*S*S] (float32 in [0, 1]), images larger than 32 px brought to 32 px."""
    return torch.cat([_small(images_NCHW[block]) for block in blocks(len(images_NCHW))])


def _small(images_NCHW: Tensor) -> Tensor:
    x = as_float(images_NCHW)
    if x.shape[-1] > _PIXEL_SIDE:
        x = F.interpolate(x, size=(_PIXEL_SIDE, _PIXEL_SIDE), mode="bilinear", antialias=True)
    return x.flatten(1)
