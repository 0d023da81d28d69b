"""Features that a run is not of, in the place of the trained ones: pixels, histograms, the untrained network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lookalike.api.networks import untrained_backbone, with_recomputed_bn_stats
from lookalike.api.records import images_of, options_of
from lookalike.core import machine
from lookalike.core.errors import LookalikeError
from lookalike.data.base import Images
from lookalike.evaluate.baselines import BASELINES, FeatureFunction
from lookalike.runs.folder import RunFolder
from lookalike.runs.reader import features_and_index, index_of

TRAINED, UNTRAINED = "trained", "untrained"
OTHERS = (UNTRAINED, *BASELINES)
"""Kinds of features that are computed from the images of a run when they are asked for."""


@dataclass(frozen=True)
class OtherFeatures:
    """One kind of features, of the images of a run and of any others of their size."""

    kind: str
    images: Images
    extract: FeatureFunction
    """From images to features [N, D]."""
    channels: int
    """Of the images that `extract` takes."""

    def of_run(self) -> np.ndarray:
        """float32 [N, D] of the images of the run, in the order of index.csv."""
        return self.extract(self.images.center_crops).numpy().astype(np.float32)


def other_features(
    run: RunFolder, kind: str, device: str = "auto", load_options: Mapping[str, object] | None = None
) -> OtherFeatures:
    """Features of another kind for a run, from its images.

    Args:
        run: a run folder.
        kind: one of `OTHERS`.
        device: where the untrained network computes.
        load_options: options of loading that differ from the run's (`core/load_options.py`).

    Raises:
        LookalikeError: the images are not there any more, or the network of the run came from Python.
    """
    _, options = options_of(run)
    if kind == UNTRAINED and options.encoder.startswith("python:"):
        raise LookalikeError(
            f"--features {kind}: the network of {run.path} was handed over in Python, and how it began is not kept; "
            f"take --features {' or '.join(BASELINES)}"
        )
    try:
        images = images_of(run, options, load_options)
    except LookalikeError as error:
        raise LookalikeError(f"--features {kind} are computed from the images of the run. {error}") from error
    if kind in BASELINES:
        return OtherFeatures(kind, images, BASELINES[kind], images.shape[0])
    network = with_recomputed_bn_stats(untrained_backbone(options, images, machine.resolve_device(device)), images)
    return OtherFeatures(kind, images, network.features, network.spec.channels)


def features_of_kind(
    run: RunFolder, kind: str, load_options: Mapping[str, object] | None = None
) -> tuple[np.ndarray, list[dict[str, str]]]:
    """Features (float32 [N, D]) of a kind, `trained` or one of `OTHERS`, and the rows of index.csv.

    Raises:
        LookalikeError: see `features_and_index` and `other_features`; or index.csv lists other images.
    """
    if kind == TRAINED:
        return features_and_index(run)
    other, rows = other_features(run, kind, load_options=load_options), index_of(run)
    raise_other_images(run, other.images, rows)
    return other.of_run(), rows


def raise_other_images(run: RunFolder, images: Images, rows: Sequence[Mapping[str, str]]) -> None:
    """Refuse images that are not those of index.csv, in its order."""
    if tuple(row["path"] for row in rows) != images.paths:
        raise LookalikeError(
            f"{run.index} lists other images than {run.path} was trained on: write it again with lookalike embed "
            f"{run.path}"
        )
