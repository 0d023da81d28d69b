"""Evaluates a network in training: health without labels, kNN where labels exist.

A look changes nothing: eval mode, views of a purpose of their own, no state. Only training images are
looked at, so that nobody is tempted to choose by the test split.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property

import torch
from torch import Tensor

from lookalike.augment.base import Augmentation
from lookalike.core import rng
from lookalike.core.progress import phase
from lookalike.data.base import Images
from lookalike.data.padded import CenterCrops
from lookalike.engine.extent import USUAL, Extent
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.engine.views import view_of
from lookalike.evaluate.baselines import BASELINES, pixel_features
from lookalike.evaluate.health import Health, measure, retrieval
from lookalike.evaluate.neighbours import accuracy_and_same_class, other_neighbours, shared_neighbours
from lookalike.runs.looks import LookRecord

COMPARED = 512
"""Images whose nearest are compared: the share that two kinds of features agree on falls with their number."""

Features = Callable[[Tensor | CenterCrops], Tensor]
"""From images to features [N, D]."""


@dataclass(frozen=True)
class MonitorResult:
    """One look: health, and within the training images (None without labels) the kNN accuracy and the share of an
    image's 20 nearest that are of its class."""

    health: Health
    knn: float | None = None
    closest: float | None = None
    like_pixels: float | None = None
    """Share of an image's 10 nearest by pixels that are among its 10 nearest, of up to 512 images; None for a single
    image."""

    def record(self, kind: str, epoch: int = 0) -> LookRecord:
        """For the record: `kind` says at which features it was."""
        return LookRecord(
            kind, epoch, **asdict(self.health), knn=self.knn, closest=self.closest, like_pixels=self.like_pixels
        )


class FeatureCache:
    """Features of images of a collection, each computed once, however often it is asked for."""

    def __init__(self, features: Features, center_crops: CenterCrops, rows: Tensor) -> None:
        """`rows` (int64) of `center_crops` may be asked for."""
        self.features = features
        self.rows = rows.unique()
        self.x_ND = features(center_crops.take(self.rows))

    def __call__(self, rows: Tensor) -> Tensor:
        """Features [len(rows), D] of some of the rows, in their order."""
        return self.x_ND[torch.searchsorted(self.rows, rows)]


class Evaluator:
    """Evaluates encoders, with the same images and the same views each time."""

    def __init__(self, images: Images, augmentation: Augmentation, seed: int, extent: Extent = USUAL) -> None:
        rows = images.training  # by content: what is looked at does not depend on names
        self.images = images
        self.gallery = rows[rng.permutation(seed, "look/gallery", 0, len(rows))[: extent.gallery]]
        self.views = view_of(images, augmentation, self.gallery, seed=seed, epoch=-1, view=0)
        self.bank = self.queries = rows[:0]
        if images.labels is not None:
            labelled = rows[images.labels[rows] >= 0]
            order = labelled[rng.permutation(seed, "look/knn", 0, len(labelled))]
            queries = min(extent.queries, len(order) // 5)
            if queries:
                self.bank, self.queries = order[queries : queries + extent.bank], order[:queries]
        self.rows = torch.cat([self.gallery, self.bank, self.queries]).unique()

    def cache(self, features: Features, beside: Tensor | None = None) -> FeatureCache:
        """The features that an evaluation needs, and those of the rows `beside`."""
        rows = self.rows if beside is None else torch.cat([self.rows, beside])
        return FeatureCache(features, self.images.center_crops, rows)

    def with_recomputed_bn_stats(self, backbone: FeatureExtractor) -> FeatureExtractor:
        """A network before its first step, its BatchNorm statistics taken from the gallery."""
        return backbone.with_recomputed_bn_stats(self.images.center_crops.take(self.gallery))

    def evaluate_baselines(self) -> dict[str, MonitorResult]:
        """The same with the features that need no network: pixels, histograms."""
        return {name: self.evaluate(self.cache(features)) for name, features in BASELINES.items()}

    def evaluate(self, cache: FeatureCache) -> MonitorResult:
        """Health and kNN accuracy of a network, from its cached features."""
        with phase("looking at what is learned"):
            x_GD = cache(self.gallery)
            health = measure(x_GD, cache.features(self.views))
            finite = math.isfinite(health.effective_rank)
            near = other_neighbours(x_GD[:COMPARED]) if finite else None
            like_pixels = None if near is None else shared_neighbours(self.near_by_pixels, near)
            if not len(self.queries) or self.images.labels is None:
                return MonitorResult(health, like_pixels=like_pixels)
            labels = self.images.labels
            features_and_labels = cache(self.bank), labels[self.bank], cache(self.queries), labels[self.queries]
            return MonitorResult(health, *accuracy_and_same_class(*features_and_labels), like_pixels)

    @cached_property
    def near_by_pixels(self) -> Tensor:
        """The 10 nearest others by pixels (int64 [G, 10]) of the first images of the gallery, as places in it."""
        return other_neighbours(pixel_features(self.images.center_crops.take(self.gallery[:COMPARED])))

    def retrieval(self, features: Features) -> float:
        """How often a new view finds its own image, alone: all that some want to know."""
        return retrieval(features(self.images.center_crops.take(self.gallery)), features(self.views))[0]
