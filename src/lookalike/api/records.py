"""What a run folder says of a run: its options and images, its features and index."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from torch import Tensor

from lookalike.core import registry
from lookalike.core.errors import LookalikeError
from lookalike.core.files import write_atomically, write_csv
from lookalike.core.options import TrainOptions, spoken
from lookalike.data.base import Images, Loading
from lookalike.data.base import load as load_images
from lookalike.engine.run_folder import RunFolder


def loading(options: TrainOptions) -> Loading:
    """Whether and where decoded images are kept, as the options say."""
    return Loading(options.store, options.cache, options.store_limit, options.skip_bad)


def default_run(method: str, images: Images) -> str:
    """Where a run goes that was given no name."""
    return f"runs/{method}-{images.name}"


def options_of(run: RunFolder) -> tuple[str, TrainOptions]:
    """The method and the resolved options that a run was made with."""
    settings = run.settings()
    method = str(settings.pop("method", ""))
    kind = registry.find("methods", method, "method").Options
    known = {f.name for f in dataclasses.fields(kind)}
    strange = sorted(set(settings) - known)
    if strange:
        raise LookalikeError(f"{run.config} has keys this version does not know: {', '.join(strange)}")
    return method, kind(**settings)


def images_of(run: RunFolder, options: TrainOptions) -> Images:
    """The images a run was trained on.

    Raises:
        LookalikeError: they have changed since.
    """
    images = load_images(options.data, options.image_size, how=loading(options))
    if images.fingerprint != run.status().get("fingerprint"):
        raise LookalikeError(f"{spoken(options.data)} holds other images now than {run.path} was trained on")
    return images


def write_features(folder: Path, images: Images, features_ND: Tensor) -> None:
    """embeddings.npy and index.csv."""
    array = features_ND.numpy().astype(np.float32)
    write_atomically(folder / "embeddings.npy", lambda file: np.save(file, array))
    write_index(folder, images)


def write_index(folder: Path, images: Images) -> None:
    """index.csv: path, split, label, cluster per row."""
    rows = []
    for i, path in enumerate(images.paths):
        code = -1 if images.labels is None else int(images.labels[i])
        rows.append((path, images.split[i] if images.split else "", images.classes[code] if code >= 0 else "", ""))
    write_csv(folder / "index.csv", ("path", "split", "label", "cluster"), rows)


def finish(run: RunFolder) -> None:
    """Mark a run as complete."""
    run.update("finished")
