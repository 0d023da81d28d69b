"""The first phase of a training: its images, which of them are learned from, and the weights to start from."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from torch import Tensor

from lookalike.api.configure import with_weights
from lookalike.api.pretrained import PretrainedWeights, find_pretrained
from lookalike.api.pseudo_labels import with_pseudo_labels
from lookalike.api.records import loading
from lookalike.core.budget import Budget
from lookalike.core.config import Config
from lookalike.core.errors import LookalikeError
from lookalike.core.options import TrainOptions
from lookalike.core.words import counted
from lookalike.data.base import Images, content_order
from lookalike.data.loading import load as load_images
from lookalike.engine.budget import raise_too_little
from lookalike.evaluate.few_shot import drawn_share
from lookalike.methods.find import find_method, method_names


@dataclass(frozen=True)
class Loaded:
    """What a training learns from and starts from."""

    asked: Config[TrainOptions]
    """What a person asks for."""
    images: Images
    lesson: Images
    """The images with the labels that are learned from, where these are more than their own."""
    rows: Tensor
    """int64, those of the images that are learned from."""
    pretrained: PretrainedWeights | None
    """The weights to start from; None for a network that knows nothing."""
    seconds: float
    """That it took."""


def load(asked: Config[TrainOptions], images: Images | None = None, budget: Budget | None = None) -> Loaded:
    """Read what a training needs.

    Args:
        asked: what a person asks for.
        images: the data set, where it is there already.
        budget: the time in which images are read; too little of it is refused.

    Raises:
        LookalikeError: no images, no weights or no labels where they were looked for, or too little time.
    """
    begun = time.monotonic()
    pretrained = find_pretrained(asked.options)
    options = with_weights(asked, pretrained).options
    if images is None:
        config = loading(options)
        with ExitStack() as spending:
            if budget is not None:
                config = replace(config, listed=partial(raise_too_little, budget))
                spending.enter_context(budget.spent())
            images = load_images(options.data, options.image_size, options.download, config)
    needs_labels = find_method(asked.method).needs_labels
    rows = training_rows(images, needs_labels, getattr(options, "label_fraction", None), options.seed)
    lesson, more = images, getattr(options, "more_labels", None)
    if more is not None:
        lesson, rows = with_pseudo_labels(images, rows, Path(more))
    return Loaded(asked, images, lesson, rows, pretrained, time.monotonic() - begun)


def training_rows(images: Images, with_labels: bool, label_fraction: float | None = None, seed: int = 0) -> Tensor:
    """Rows (int64) to train on: the training split, or the labelled rows that evaluation learns from.

    Args:
        images: the data set.
        with_labels: whether labels are learned from.
        label_fraction: share of the labels to learn from, drawn class by class; None for all.
        seed: of the drawing.

    Raises:
        LookalikeError: labels are needed and there are none.
    """
    if not with_labels:
        return images.training
    if images.evaluation is None or len(images.evaluation[0]) == 0 or len(images.classes) < 2:
        labels = "no labels" if images.evaluation is None else f"labels of {counted(len(images.classes), 'class')}"
        raise LookalikeError(
            f"{images.name} has {labels}, and this method learns from labels; put images of a class into a "
            f"folder of their own, or train without labels ({', '.join(method_names(with_labels=False))})"
        )
    if label_fraction is None:
        return images.evaluation[0]
    assert images.labels is not None
    return drawn_share(images.labels, content_order(images, images.evaluation[0]), label_fraction, seed)
