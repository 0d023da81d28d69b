"""`--augment auto`: which views to learn from, found by short trainings and without labels.

What two views of an image may differ in is what the network learns to ignore, and no single answer serves all
collections: hue means little for animals and everything for apples. So a small network is trained for a hundred
steps or so with each recipe, on small copies of some of the images, and asked which way up images are
(`evaluate/rotation.py`): no recipe here teaches that, and features that know what is in a picture know it. Where a
user has a few labels, they decide instead.
"""

from __future__ import annotations

import csv
import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.core import registry, rng
from lookalike.core.durations import parse_duration
from lookalike.core.errors import LookalikeError
from lookalike.core.options import TrainOptions
from lookalike.core.ranks import Ranks
from lookalike.data.base import Images
from lookalike.engine.backbone import Backbone
from lookalike.engine.rehearsal import Rehearsal
from lookalike.engine.run_folder import RunFolder
from lookalike.evaluate.rotation import CHANCE, rotation_accuracy

SIDE = 32
"""Pixels of the copies: what colours and orientations mean shows at this size, at a fraction of the work."""

_CANDIDATES = ("simclr-small", "simclr-light", "crop-flip", "digits", "simclr")
_MOST, _FEWEST = 8192, 256  # training images that are looked at; below the least nothing is chosen
_PROBED = 2048  # images whose turn is asked for
_BATCH = 256
_STEPS = 128
_LEAST_STEPS = 48  # of a training that is worth comparing
_SHARE = 0.1  # of a budget that choosing may take
_TOLD = 0.03  # above chance: less than that, and the images have no way up that could be told
_MARGIN = 0.02  # by which a recipe must be ahead of the one made for such images; closer is chance

Backbones = Callable[[TrainOptions, Images], Backbone]


@dataclass(frozen=True)
class Choice:
    """A recipe of views, and why."""

    chosen: str
    scores: dict[str, float]
    """What each recipe reached, in [0, 1]; empty where nothing was compared."""
    by: str
    """What the scores are."""
    chance: float
    reason: str

    def record(self) -> dict[str, Any]:
        """For run.json."""
        return dataclasses.asdict(self)


def choose_views(
    options: TrainOptions,
    fallback: str,
    images: Images,
    rows: Tensor,
    backbone_for: Backbones,
    known: dict[int, int] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Choice:
    """Compare recipes of views by short trainings.

    Args:
        options: resolved but for `augment`; seed, device, threads, budget and encoder settings count.
        fallback: the recipe to take where nothing can be told.
        images: the data set.
        rows: those of its images that are trained on.
        backbone_for: an untrained backbone for options and images.
        known: classes of a few rows of `images`, where the user gave some to choose by.
        clock: seconds, for the share of a budget.
    """
    if len(rows) < _FEWEST:
        return Choice(fallback, {}, "none", 0.0, f"{len(rows)} images are too few to compare recipes of views")
    copies = _small_copies(images, rows, options.seed, sorted(known or ()))
    labels = None if known is None else torch.tensor([known[row] for row in sorted(known)])
    steps, scores = _STEPS, {}
    names = _candidates(images.shape[0], fallback)
    begun = clock()
    for name in names:
        scores[name] = round(_score(name, steps, options, copies, backbone_for, labels), 4)
        if len(scores) == 1 and options.budget is not None:
            # the first one tells the price; recipes are compared at equal steps, so it is trained again
            room = _SHARE * parse_duration(options.budget) / len(names)
            steps = max(_LEAST_STEPS, min(_STEPS, int(_STEPS * room / (clock() - begun))))
            if steps < _STEPS:
                scores[name] = round(_score(name, steps, options, copies, backbone_for, labels), 4)
    return _decide(scores, fallback, known is not None, labels)


def _decide(scores: dict[str, float], fallback: str, labelled: bool, labels: Tensor | None) -> Choice:
    best = max(scores, key=lambda name: scores[name])
    if scores[best] < scores[fallback] + _MARGIN:
        best = fallback
    table = ", ".join(f"{name} {score:.0%}" for name, score in sorted(scores.items(), key=lambda item: -item[1]))
    if labelled and labels is not None:
        chance = float(torch.bincount(labels).max()) / len(labels)
        return Choice(best, scores, "labels", chance, f"nearest labelled image of its class: {table}")
    if scores[best] < CHANCE + _TOLD:
        reason = f"these images have no way up that could be told ({table}), so recipes cannot be compared by it"
        return Choice(fallback, scores, "rotation", CHANCE, reason)
    return Choice(best, scores, "rotation", CHANCE, f"which way up an image is, told from features: {table}")


def _candidates(channels: int, fallback: str) -> list[str]:
    """Recipes that differ for images of so many channels; without colour, light and small are the same."""
    names = [name for name in _CANDIDATES if channels == 3 or name != "simclr-light"]
    return [fallback, *(name for name in names if name != fallback)]


def _small_copies(images: Images, rows: Tensor, seed: int, needed: list[int]) -> Images:
    """Images of at most `SIDE` pixels, without labels: the needed rows, then a sample of the training rows."""
    sample = rows[rng.permutation(seed, "views/sample", 0, len(rows))[:_MOST]]
    wanted = torch.tensor(needed, dtype=torch.int64)
    chosen = torch.cat([wanted, sample[~torch.isin(sample, wanted)]])
    parts = [_shrunk(images.pixels[part]) for part in chosen.split(512)]
    return Images(torch.cat(parts), tuple(str(row) for row in chosen.tolist()), name="copies")


def _shrunk(pixels_BCHW: Tensor) -> Tensor:
    if pixels_BCHW.shape[-1] <= SIDE:
        return pixels_BCHW
    small = F.interpolate(pixels_BCHW.float(), size=(SIDE, SIDE), mode="bilinear", antialias=True)
    return small.round().clamp(0, 255).to(torch.uint8)


def _score(
    name: str,
    steps: int,
    options: TrainOptions,
    copies: Images,
    backbone_for: Backbones,
    labels: Tensor | None,
) -> float:
    """Train on trial with one recipe, and measure."""
    module = registry.find("methods", "simclr", "method")
    batch = min(_BATCH, len(copies) // 4)
    told = module.Options(
        seed=options.seed,
        device=options.device,
        threads=options.threads,
        batch_size=batch,
        epochs=-(-steps // (len(copies) // batch)),
        max_steps=steps,
        image_size=copies.shape[1],
        width=16 if copies.shape[0] == 1 else 32,
        augment=name,
        crop_min=options.crop_min,
        lr=0.35,
        warmup=0.5,
        precision=options.precision,
        check_every=1,
        head_width=256,
    )
    backbone = backbone_for(told, copies)
    learner = module.Learner(backbone.encoder, told, len(copies)).to(backbone.device)
    trainer = Rehearsal(learner, backbone, told, copies, torch.arange(len(copies)))
    trainer.through()
    if labels is not None:
        return _leave_one_out(trainer.backbone.features(copies.pixels[: len(labels)]), labels)
    return rotation_accuracy(trainer.backbone.features, copies.pixels[-_PROBED:])


def _leave_one_out(x_ND: Tensor, labels_N: Tensor) -> float:
    """Share of labelled images whose nearest other labelled image is of their class."""
    unit = F.normalize(x_ND, dim=1)
    similarity = unit @ unit.T
    similarity.fill_diagonal_(-2.0)
    return float((labels_N[similarity.argmax(1)] == labels_N).double().mean())


def few_labels(images: Images, named: dict[str, str]) -> dict[int, int]:
    """Classes of rows, from names of images and of their classes.

    Raises:
        LookalikeError: a name is no image of the data, or there are fewer than two classes, or fewer than two of one.
    """
    row_of = {path: row for row, path in enumerate(images.paths)}
    unknown = [path for path in named if path not in row_of]
    if unknown:
        raise LookalikeError(
            f"{len(unknown)} of {len(named)} labelled images are not in {images.name}, such as {unknown[0]!r}; paths "
            f"are relative to the data, such as {images.paths[0]!r}"
        )
    counts: dict[str, int] = {}
    for label in named.values():
        counts[label] = counts.get(label, 0) + 1
    if sum(count >= 2 for count in counts.values()) < 2:
        raise LookalikeError(f"to choose by labels, two classes need two images each at least; got {counts}")
    code = {label: k for k, label in enumerate(sorted(counts))}
    return {row_of[path]: code[label] for path, label in named.items()}


def settle_views(
    options: TrainOptions,
    fallback: str,
    images: Images,
    rows: Tensor,
    run: RunFolder,
    backbone_for: Backbones,
    ranks: Ranks,
) -> tuple[str, Choice | None]:
    """The recipe of views for `--augment auto`: that of an earlier start of the run, else one that is chosen now.

    The first of several processes chooses for all.
    """
    if run.config.exists():
        return str(run.settings().get("augment", fallback)), None
    choice = None
    if ranks.first:
        known = None if options.augment_by is None else few_labels(images, read_labels(Path(options.augment_by)))
        choice = choose_views(options, fallback, images, rows, backbone_for, known)
    choice = ranks.objects(choice)[0]
    assert choice is not None
    return choice.chosen, choice


def read_labels(path: Path) -> dict[str, str]:
    """Names of images and of their classes, from a CSV file with the columns `path` and `label`.

    Raises:
        LookalikeError: it cannot be read, has other columns, or gives an image two labels.
    """
    try:
        with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
            lines = list(csv.DictReader(file))
    except (OSError, csv.Error) as error:
        raise LookalikeError(f"cannot read {path}: {error}") from error
    if not lines or not {"path", "label"} <= set(lines[0]):
        columns = ", ".join(lines[0]) if lines else "nothing"
        raise LookalikeError(f"{path} must have the columns path and label, and lines below them; it has {columns}")
    found: dict[str, str] = {}
    for line in lines:
        name, label = line["path"] or "", line["label"] or ""
        if found.setdefault(name, label) != label:
            raise LookalikeError(f"{path} calls {name!r} both {found[name]!r} and {label!r}")
    return {name: label for name, label in found.items() if label}
