"""`--augment auto`: which views to learn from, found by short trainings and without labels.

What two views of an image may differ in is what the network learns to ignore. The more it is, the more is learned,
as long as it can be learned at all (Tian et al. 2020, "What makes for good views for contrastive learning?"): a few
thousand photos of a shop do not teach what a fruit is to a network that may not use its colour. So one begins with
the views that are usual for such images, trains a small network on small copies for a hundred steps or so, and asks
how often a view finds its own image among others. Where training has hardly helped with that, beside raw pixels and
the network untrained, the views are too hard, and weaker ones are tried. Where a user has a few labels, they decide.
"""

from __future__ import annotations

import dataclasses
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
from lookalike.core.labelled import read_labels
from lookalike.core.matching import Matcher
from lookalike.core.options import AUTO, TrainOptions
from lookalike.core.ranks import Ranks
from lookalike.core.words import agreeing, counted
from lookalike.data.base import Images
from lookalike.engine.backbone import Backbone
from lookalike.engine.rehearsal import Rehearsal
from lookalike.engine.resolve import recipe_values
from lookalike.engine.run_folder import RunFolder
from lookalike.evaluate.baselines import pixel_features

SIDE = 32
"""Pixels of the copies: what colours and orientations mean shows at this size, at a fraction of the work."""

_WEAKER = ("simclr", "simclr-small", "simclr-light", "crop-flip")
"""From strong to weak; without colour, light is the same as small."""
_OTHERS = ("digits",)  # of no place in that order; compared by labels only

_MOST, _FEWEST = 8192, 256  # training images that are looked at; below the least nothing is chosen
_BATCH = 256
_STEPS = 128
_PRICED = 12  # steps that tell what one costs
_TRIAL = 0.1  # of the steps of a run
_LEAST_STEPS = 48  # of a training that says something
_SHARE = 0.1  # of a budget that choosing may take
_HELPED = 1.4  # times as often as untrained must a view find its own image for its recipe to be learnable

Backbones = Callable[[TrainOptions, Images], Backbone]


@dataclass(frozen=True)
class Choice:
    """A recipe of views, and why."""

    chosen: str
    scores: dict[str, float]
    """What each recipe that was tried reached."""
    by: str
    """What the scores are: "learnable", "labels" or "none"."""
    reason: str

    def words(self) -> str:
        """For the lines a run begins with."""
        return f"views {self.chosen}, chosen for these images: {self.reason}"

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
) -> Choice:
    """Compare recipes of views by short trainings.

    Args:
        options: resolved but for `augment`; seed, device, threads, budget and encoder settings count.
        fallback: the recipe to take where nothing can be told.
        images: the data set.
        rows: those of its images that are trained on.
        backbone_for: an untrained backbone for options and images.
        known: classes of a few rows of `images`, where the user gave some to choose by.
    """
    if len(rows) < _FEWEST:
        return Choice(
            fallback,
            {},
            "none",
            f"{counted(len(rows), 'image')} {agreeing(len(rows), 'is', 'are')} too few to compare recipes of views",
        )
    copies = small_copies(images, rows, options.seed, sorted(known or ()))
    labels = None if known is None else torch.tensor([known[row] for row in sorted(known)])
    names = recipes_for(images.coloured, fallback, labels is not None)
    scores: dict[str, float] = {}
    steps = trial_steps(options, len(rows))
    if options.budget is not None:
        price = trained(names[0], _PRICED, options, copies, backbone_for).seconds / _PRICED
        room = _SHARE * parse_duration(options.budget) / len(names)
        steps = max(_LEAST_STEPS, min(steps, int(room / max(price, 1e-6))))
    if labels is not None:
        for name in names:
            features = trained(name, steps, options, copies, backbone_for).backbone.features
            scores[name] = round(_leave_one_out(features(copies.squares[slice(len(labels))]), labels), 4)
    else:
        scores = tried(names, lambda name: helped(trained(name, steps, options, copies, backbone_for)))
    best = max(scores, key=lambda name: scores[name])
    if labels is not None:
        table = ", ".join(f"{name} {score:.0%}" for name, score in scores.items())
        return Choice(best, scores, "labels", f"nearest labelled image of its class: {table}")
    table = ", ".join(f"{name} {score:.1f}" for name, score in scores.items())
    return Choice(best, scores, "learnable", f"times as often as untrained a view finds its own image: {table}")


def trial_steps(options: TrainOptions, n: int) -> int:
    """Steps of a short training: a tenth of those that the recipe has for `n` images, at most 128.

    Views that can be learned in a run of many steps may be too hard for one of few.
    """
    run = options.epochs * (n // options.batch_size)
    run = run if options.max_steps is None else min(run, options.max_steps)
    return max(_LEAST_STEPS, min(_STEPS, round(_TRIAL * run)))


def tried(names: list[str], score: Callable[[str], float]) -> dict[str, float]:
    """Scores of recipes in their order, up to and with the first that is learnable; the best of them is chosen."""
    scores: dict[str, float] = {}
    for name in names:
        scores[name] = round(score(name), 3)
        if scores[name] >= _HELPED:
            break
    return scores


def recipes_for(colour: bool, usual: str, by_labels: bool) -> list[str]:
    """The usual recipe, then those that are weaker; by labels, all that differ for such images."""
    order = [name for name in _WEAKER if colour or name != "simclr-light"]
    if by_labels:
        return [usual, *(name for name in (*order, *_OTHERS) if name != usual)]
    weaker = order[order.index(usual) + 1 :] if usual in order else ["crop-flip"]
    return [usual, *weaker]


def helped(trainer: Rehearsal) -> float:
    """How many times as often a view finds its own image as with raw pixels or untrained, whichever is better."""
    before = max(trainer.looker.retrieval(pixel_features), trainer.untrained)
    return trainer.looker.retrieval(trainer.backbone.features) / max(before, 1 / len(trainer.looker.gallery))


def small_copies(images: Images, rows: Tensor, seed: int, needed: list[int]) -> Images:
    """Squares of at most `SIDE` pixels, without labels: the needed rows, then a sample of the training rows."""
    sample = rows[rng.permutation(seed, "views/sample", 0, len(rows))[:_MOST]]
    wanted = torch.tensor(needed, dtype=torch.int64)
    chosen = torch.cat([wanted, sample[~torch.isin(sample, wanted)]])
    parts = [_shrunk(images.squares[part]) for part in chosen.split(512)]
    paths = tuple(str(row) for row in chosen.tolist())
    return Images(torch.cat(parts), paths, name="copies", colour=images.colour)


def _shrunk(pixels_BCHW: Tensor) -> Tensor:
    if pixels_BCHW.shape[-1] <= SIDE:
        return pixels_BCHW
    small = F.interpolate(pixels_BCHW.float(), size=(SIDE, SIDE), mode="bilinear", antialias=True)
    return small.round().clamp(0, 255).to(torch.uint8)


def trained(name: str, steps: int, options: TrainOptions, copies: Images, backbone_for: Backbones) -> Rehearsal:
    """A small network trained on trial with one recipe."""
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
    learner = learner.double() if told.precision == "float64" else learner
    trainer = Rehearsal(learner, backbone, told, copies, copies.training)
    trainer.through()
    return trainer


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
    matcher = Matcher(images.paths)
    rows = {path: matcher.row(path) for path in named}
    row_of = {path: row for path, row in rows.items() if row is not None}
    unknown = [path for path in named if path not in row_of]
    if unknown:
        raise LookalikeError(
            f"{len(unknown)} of {counted(len(named), 'labelled image')} {agreeing(len(unknown), 'is', 'are')} "
            f"not in {images.name}, such as {unknown[0]!r}; paths "
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
    method: str,
    images: Images,
    rows: Tensor,
    run: RunFolder,
    backbone_for: Backbones,
    ranks: Ranks,
) -> tuple[str, Choice | None]:
    """The recipe of views: as said; for `auto` that of an earlier start of the run, else one that is chosen now.

    The first of several processes chooses for all.
    """
    if options.augment != AUTO:
        return options.augment, None
    usual = recipe_values(options.recipe, method).get("augment", TrainOptions.augment)
    if options.epochs == 0:  # nothing is learned from them
        return usual, None
    choice = None
    if ranks.first:
        known = None if options.augment_by is None else few_labels(images, read_labels(Path(options.augment_by)))
        choice = choose_views(options, usual, images, rows, backbone_for, known)
    choice = ranks.objects(choice)[0]
    assert choice is not None
    return choice.chosen, choice
