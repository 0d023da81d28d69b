"""Pseudo labels: labels spread to images that have none, kept in a file, and learned from.

The file is a list of a person's kind (`core/label_files.py`), with a column `confidence` more: path, label, confidence.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import Tensor

from lookalike.core.errors import LookalikeError
from lookalike.core.files import write_csv
from lookalike.core.label_files import listed, read_given, rows_of
from lookalike.core.words import agreeing, counted
from lookalike.data.base import Images, content_order
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.evaluate.propagate import left_out_right, propagate

HEAD = ("path", "label", "confidence")
RIGHT = 0.95
"""Share of labels left out that must be guessed right, or none is spread: what comes of less is not measured."""
LEAST = 50
"""Labels, of which the share is known well enough."""
SAMPLE = 20_000
"""Images by which it is measured, at the most."""


def with_pseudo_labels(images: Images, rows: Tensor, file: Path) -> tuple[Images, Tensor]:
    """Images with the labels of a file as well, and the rows (int64) to learn from, sorted by content.

    Args:
        images: a data set with labels.
        rows: int64, those whose own labels are learned from; what the file says of these is passed over.
        file: CSV file with the columns path and label. What it says of test images is passed over too.

    Raises:
        LookalikeError: it cannot be read, names no image that is there, or a class that the data does not have.
    """
    assert images.labels is not None and images.evaluation is not None
    label_of, _ = rows_of(read_given([str(file)]), images.paths, images.name)
    code_of = {name: code for code, name in enumerate(images.classes)}
    strange = sorted(set(label_of.values()) - set(code_of))
    if strange:
        raise LookalikeError(
            f"{counted(len(strange), 'name')} in {file} {agreeing(len(strange), 'is', 'are')} no class of "
            f"{images.name}:\n{listed(strange)}\nIts classes are {', '.join(images.classes[:10])}"
            f"{', ...' if len(images.classes) > 10 else ''}"
        )
    taken = torch.zeros(len(images), dtype=torch.bool)
    taken[rows] = taken[images.evaluation[1]] = True
    more = torch.tensor([row for row in sorted(label_of) if not taken[row]], dtype=torch.int64)
    labels_N = images.labels.clone()
    labels_N[more] = torch.tensor([code_of[label_of[row]] for row in more.tolist()], dtype=torch.int64)
    lesson = dataclasses.replace(images, labels=labels_N, known_digests=images.digests)
    return lesson, content_order(images, torch.cat([rows, more]))


def others_of(images: Images, rows: Tensor) -> Tensor:
    """Training rows (int64) that are neither `rows` nor test rows, sorted by content."""
    assert images.evaluation is not None
    taken = torch.zeros(len(images), dtype=torch.bool)
    taken[rows] = taken[images.evaluation[1]] = True
    return images.training[~taken[images.training]]


def can_be_spread(backbone: FeatureExtractor, images: Images, rows: Tensor, seed: int = 0) -> bool:
    """Whether the labels of `rows` (int64) tell enough of other images to be learned from when they are spread.

    They do where each fifth of them is guessed from the others along the features of a network that has seen none.
    """
    assert images.labels is not None
    if len(rows) < LEAST:
        return False
    others = others_of(images, rows)
    if not len(others):
        return False
    some = content_order(images, torch.cat([rows, others[: max(0, SAMPLE - len(rows))]]))
    known_L = torch.isin(some, rows).nonzero()[:, 0]
    x_MD = backbone.features(images.center_crops.take(some))
    return left_out_right(x_MD, known_L, images.labels[some[known_L]], len(images.classes), seed) >= RIGHT


def spread_labels(file: Path, features_ND: Tensor, images: Images, rows: Tensor, seed: int = 0) -> None:
    """Write the labels that the other training images get, spread along features of all N images.

    Test images take no part, and what labels the others may have is not looked at.
    """
    assert images.labels is not None
    some = content_order(images, torch.cat([rows, others_of(images, rows)]))
    known_L = torch.isin(some, rows).nonzero()[:, 0]
    probability_MK = propagate(features_ND[some], known_L, images.labels[some[known_L]], len(images.classes), seed)
    confidence_M, code_M = probability_MK.max(1)
    given = set(rows.tolist())
    table = sorted(zip(some.tolist(), code_M.tolist(), confidence_M.tolist(), strict=True))
    lines = [line for line in table if line[0] not in given]
    write_csv(file, HEAD, [(images.paths[row], images.classes[code], f"{sure:.4f}") for row, code, sure in lines])
