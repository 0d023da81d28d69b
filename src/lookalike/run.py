"""A finished run in Python: `load(RUN)` embeds, searches, shows, and hands out the network.

run = lookalike.load("runs/a")
run.search("new.jpg", n=20)
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from lookalike.core import machine
from lookalike.core.metrics import read_metrics
from lookalike.core.process import threads_kept
from lookalike.core.record_types import Event, Record
from lookalike.data.base import Images
from lookalike.data.padded import CenterCrops
from lookalike.encoders.feature_maps import PYRAMID, FeatureMaps
from lookalike.engine.feature_extractor import FeatureExtractor, load_feature_extractor
from lookalike.export.base import MOST, Exported, export
from lookalike.inputs import Scale, entering, one_image, plain, read, warn
from lookalike.neighbors.index import Index
from lookalike.report.notebook import Page, page_of
from lookalike.runs.folder import RunFolder
from lookalike.runs.reader import features_and_index, index_of
from lookalike.runs.values import number


@dataclass(frozen=True)
class Hit:
    """An image of the run that a search found."""

    row: int
    """Its row in `index` and `features`."""
    path: str
    similarity: float
    """Cosine of the angle between the features, in [-1, 1]."""
    label: str = ""
    """Empty where it has none."""
    cluster: str = ""
    """The group of `lookalike cluster`; empty where images are not grouped."""

    @property
    def distance(self) -> float:
        """1 - similarity, in [0, 2]: 0 for the same direction."""
        return 1.0 - self.similarity


def load(run: str | os.PathLike | RunFolder, device: str = "auto", encoder: nn.Module | None = None) -> Run:
    """A run to work with.

    Args:
        run: its folder.
        device: cpu, cuda, mps or auto, for embedding.
        encoder: the network that was given to `train` from Python, where it was.

    Raises:
        LookalikeError: the folder is no run.
    """
    return Run(run.path if isinstance(run, RunFolder) else run, device, encoder)


class Run:
    """A run folder as an object. What it needs is read when it is asked for."""

    def __init__(self, path: str | os.PathLike, device: str = "auto", encoder: nn.Module | None = None) -> None:
        self.folder = RunFolder.existing(Path(path))
        self.path = self.folder.path
        self._device, self._given = device, encoder

    def __repr__(self) -> str:
        return f"<lookalike run {self.path}: {self.settings.get('method')}, {self.folder.status().status}>"

    # -- what the run holds -----------------------------------------------------------------------

    @cached_property
    def settings(self) -> Record:
        """The configuration as it was resolved (config.toml)."""
        return self.folder.settings()

    def metrics(self, kind: str | None = None) -> list[Event]:
        """The events of metrics.jsonl, all or those of one kind (`epoch`, `look`, `clustering`)."""
        events = read_metrics(self.folder.metrics)
        return [event for event in events if kind in (None, event.get("event"))]

    @cached_property
    def index(self) -> list[dict[str, str]]:
        """index.csv: `path`, `split`, `label`, `cluster` of each image, in the order of the features."""
        return index_of(self.folder)

    @property
    def labels(self) -> list[str | None]:
        """The label of each image, None where it has none."""
        return [row.get("label") or None for row in self.index]

    @cached_property
    def features(self) -> np.ndarray:
        """embeddings.npy: float32 [N, D], mapped and not read.

        Raises:
            LookalikeError: it is not there, or does not belong to index.csv.
        """
        return features_and_index(self.folder, mapped=True)[0]

    # -- the network ------------------------------------------------------------------------------

    @cached_property
    def backbone(self) -> FeatureExtractor:
        """The network with all that images need to enter it."""
        return load_feature_extractor(self.folder.encoder, machine.resolve_device(self._device), self._given)

    @property
    def encoder(self) -> nn.Module:
        """The trained network, a plain module in eval mode: normalised images [B, C, S, S] to features [B, D]."""
        return self.backbone.encoder

    def feature_maps(self, layers: Mapping[str, str] = PYRAMID) -> FeatureMaps:
        """A copy of the network that gives the maps of its stages in place of features, for detectors and the like.

        Args:
            layers: names of the maps by those of stages; "0" to "3" for the four, as torchvision's detectors have
                them. `{"layer4": "out"}` is what its segmentation models take.

        Raises:
            LookalikeError: an encoder without stages (alexnet), or no such stage.
        """
        return FeatureMaps(copy.deepcopy(self.encoder), layers)

    def export(self, to: str, out: str | os.PathLike | None = None, images: int = MOST) -> Exported:
        """Write the run in the form that another library reads, and check it (`lookalike export`).

        Args:
            to: torchvision, timm, onnx, atlas, tensorboard or huggingface.
            out: folder for the files; default: RUN/export/FORMAT.
            images: of atlas and tensorboard, at the most.

        Raises:
            LookalikeError: see `export.base.export`.
        """
        place = None if out is None else Path(out)
        return export(self.folder, to, place, most=images, encoder=self._given)

    def preprocess(self, images: object) -> Tensor:
        """What the encoder takes (float [N, C, S, S], normalised, on its device) from images in any form.

        Args:
            images: a folder, paths, PIL images, arrays, tensors; one of them or many (`lookalike.inputs.read`).
        """
        return self.backbone.preprocess(self._pixels(images)[:])

    @threads_kept()
    def embed(self, images: object) -> np.ndarray:
        """Features (float32 [N, D]) of images in any form, as `preprocess` takes them.

        Raises:
            InputError: what is no image, or has channels that the network cannot be given.
        """
        machine.use_threads(None)
        return self.backbone.features(self._pixels(images)).numpy()

    def _pixels(self, images: object) -> Tensor | CenterCrops:
        pixels, notes = entering(self.read(images), self.backbone.spec.channels)
        warn(notes)
        return pixels

    def read(self, images: object, broken: dict[int, str] | None = None) -> Images:
        """Images in any form as squares of the network's size, their channels as they were.

        Args:
            images: as `preprocess` takes them.
            broken: of a sequence, is given the rows that cannot be read, with the reasons, and the others are the
                result; None: one that cannot be read is an error.
        """
        images = plain(images)
        if one_image(images) and not isinstance(images, str | os.PathLike):
            images = [images]
        return read(images, self.backbone.spec.image_size, self._scale, broken=broken)

    @cached_property
    def _scale(self) -> Scale | None:
        """The range of numbers that an estimator was fitted to; None for bytes and files."""
        black_to_white = [float(x) for x in map(number, self.folder.status().scale) if x is not None]
        return Scale(*black_to_white) if len(black_to_white) == 2 else None

    # -- search -----------------------------------------------------------------------------------

    @cached_property
    def searched(self) -> Index:
        """The features as an index to search in."""
        return Index(self.features)

    def search(self, images: object, n: int = 20) -> Any:
        """The images of the run that are nearest to new images.

        Args:
            images: one image (a file, a PIL image, an array [H, W] or [H, W, C]) or many, as `embed` takes them.
            n: how many to find for each.

        Returns:
            A list of `Hit`, the nearest first, for one image; a list of such lists for many.
        """
        images = plain(images)
        hits = self.search_features(self.embed(images), n)
        return hits[0] if one_image(images) else hits

    def search_features(self, features_QD: np.ndarray, n: int = 20, among: Index | None = None) -> list[list[Hit]]:
        """The same for features (float [Q, D], or [D] for one) that are there already, such as rows of `features`.

        `among` holds features of another kind of the run's images, in their order; None: the trained ones.
        """
        rows_QK, cosine_QK = (self.searched if among is None else among).nearest(np.atleast_2d(features_QD), n)
        return [
            [self._hit(int(row), float(cosine)) for row, cosine in zip(rows, cosines, strict=True)]
            for rows, cosines in zip(rows_QK, cosine_QK, strict=True)
        ]

    def _hit(self, row: int, cosine: float) -> Hit:
        row_of_index = self.index[row]
        return Hit(
            row, row_of_index.get("path", ""), cosine, row_of_index.get("label", ""), row_of_index.get("cluster", "")
        )

    # -- the page ---------------------------------------------------------------------------------

    def report(self, threads: int | None = None) -> Page:
        """The page of the run, which a notebook shows inline; written where it is absent or older than the run."""
        return page_of(self.folder, threads)

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()


__all__ = ["Hit", "Page", "Run", "load"]
