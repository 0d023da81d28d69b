"""Classes of images, by the classifier of a run that learned from labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lookalike.api.records import loading, options_of, write_skipped
from lookalike.core import machine
from lookalike.core.errors import LookalikeError
from lookalike.core.files import write_csv
from lookalike.core.process import threads_kept
from lookalike.core.words import counted
from lookalike.data.base import Images
from lookalike.data.loading import load as load_images
from lookalike.engine.classifier import load_classifier
from lookalike.runs.folder import RunFolder


@dataclass(frozen=True)
class Predictions:
    """A file of classes, and what is in it."""

    file: Path
    names: tuple[str, ...]
    """The likeliest class of each image."""
    confidence_N: Tensor
    """Its probability, float32 [N]."""
    images: Images

    def accuracy(self, rows: Collection[int] | None = None) -> float | None:
        """Share of the labelled images (of these rows) that are called what they are; None where there are none."""
        labels = self.images.labels
        if labels is None:
            return None
        asked = [i for i in (range(len(self.names)) if rows is None else rows) if labels[i] >= 0]
        right = sum(self.names[i] == self.images.classes[int(labels[i])] for i in asked)
        return right / len(asked) if asked else None


@threads_kept()
def predict(
    run: RunFolder,
    data: str | tuple[str, ...],
    *,
    out: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    load_options: Mapping[str, object] | None = None,
) -> Predictions:
    """Classes of any images, as a CSV file: path, split, label, predicted, confidence.

    Args:
        run: the folder of a run that learned from labels (`finetune`, `train supervised`).
        data: DATA.
        out: the file; default: RUN/predictions/NAME.csv.
        device: where to compute.
        threads: CPU threads.
        load_options: options of loading that differ from the run's (`core/load_options.py`).

    Raises:
        LookalikeError: the run has no classifier, or the images have other channels.
    """
    machine.use_threads(threads)
    device = machine.resolve_device(device)
    load_classifier(run, device)  # what is wrong with it is said before images are read
    options = options_of(run)[1]
    config = loading(options, load_options)
    images = load_images(data, options.image_size, bool((load_options or {}).get("download", False)), config)
    check_channels(run, images)
    file = out or run.path / "predictions" / f"{images.name}.csv"
    predictions = predict_images(run, images, file, device)
    write_skipped(file.with_name(f"{file.stem}-skipped.csv"), images)
    return predictions


def predict_images(
    run: RunFolder, images: Images, file: Path, device: str, features_ND: Tensor | None = None
) -> Predictions:
    """The same for images that are loaded, of the size of the run's; features where they are there already."""
    classifier = load_classifier(run, device)
    if features_ND is None:
        features_ND = classifier.backbone.features(images.center_crops)
    confidence_N, code_N = classifier.probabilities(features_ND).max(1)
    names = tuple(classifier.classes[code] for code in code_N.tolist())
    rows = []
    for i, (path, name, confidence) in enumerate(zip(images.paths, names, confidence_N.tolist(), strict=True)):
        code = -1 if images.labels is None else int(images.labels[i])
        label = images.classes[code] if code >= 0 else ""
        rows.append((path, images.split[i] if images.split else "", label, name, f"{confidence:.4f}"))
    write_csv(file, ("path", "split", "label", "predicted", "confidence"), rows)
    return Predictions(file, names, confidence_N, images)


def check_channels(run: RunFolder, images: Images) -> None:
    """That the run's network can be given these images.

    Raises:
        LookalikeError: they have another number of channels.
    """
    expected, actual = run.status().channels, images.shape[0]
    if expected is not None and expected != actual:
        raise LookalikeError(
            f"the network of {run.path} was trained on images of {_channels(expected)}, {images.name} has images of "
            f"{_channels(actual)}"
        )


def _channels(count: int) -> str:
    return counted(count, "channel")
