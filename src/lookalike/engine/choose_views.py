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

from lookalike.core.budget import Clock, now
from lookalike.core.durations import duration, parse_duration
from lookalike.core.errors import LookalikeError
from lookalike.core.labelled import read_labels
from lookalike.core.matching import Matcher
from lookalike.core.options import AUTO, TrainOptions
from lookalike.core.progress import phase
from lookalike.core.ranks import Ranks
from lookalike.core.words import agreeing, counted
from lookalike.data.base import Images
from lookalike.engine.resolve import recipe_values
from lookalike.engine.run_folder import RunFolder
from lookalike.engine.view_trials import Backbones, Deadline, Exam, TimeUp, rehearsal, small_copies, trained
from lookalike.evaluate.baselines import pixel_features

_WEAKER = ("simclr", "simclr-small", "simclr-light", "crop-flip")
"""From strong to weak; without colour, light is the same as small."""
_OTHERS = ("digits",)  # of no place in that order; compared by labels only

_FEWEST = 256  # training images below which nothing is chosen
_STEPS = 128
_PRICED = 3  # steps that tell what one costs, after a first one that allocates memory
_TRIAL = 0.1  # of the steps of a run
_LEAST_STEPS = 48  # of a training that says something
_SHARE = 0.1  # of a budget that choosing may take, and
_MOST_SECONDS = 90.0  # at the most, also without a budget
_HELPED = 1.4  # times as often as untrained must a view find its own image for its recipe to be learnable


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
    *,
    seconds: float | None = None,
    clock: Clock = now,
    signal: Callable[[], int | None] = lambda: None,
) -> Choice:
    """Compare recipes of views by short trainings, in the time that there is.

    The clock is looked at between steps. A recipe whose training has not ended when the time is up counts as not tried.

    Args:
        options: resolved but for `augment`; seed, device, threads, budget and encoder settings count.
        fallback: the recipe to take where nothing can be told.
        images: the data set.
        rows: those of its images that are trained on.
        backbone_for: an untrained backbone for options and images.
        known: classes of a few rows of `images`, where the user gave some to choose by.
        seconds: that choosing may take; default: `allowed_seconds(options)`.
        clock: says the time, in seconds.
        signal: the number of a signal that asked to stop, or None.

    Raises:
        Interrupted: a signal asked to stop; nothing is chosen.
    """
    if len(rows) < _FEWEST:
        return Choice(
            fallback,
            {},
            "none",
            f"{counted(len(rows), 'image')} {agreeing(len(rows), 'is', 'are')} too few to compare recipes of views",
        )
    allowed = allowed_seconds(options) if seconds is None else seconds
    deadline = Deadline(allowed, clock, signal)
    scores: dict[str, float] = {}
    names = recipes_for(images.coloured, fallback, known is not None)
    try:
        with phase("choosing views", len(names)) as p:
            copies = small_copies(images, rows, options.seed, sorted(known or ()), deadline)
            steps = affordable_steps(names, options, len(rows), copies, backbone_for, deadline)
            for name in p.over(names):
                if known is None:
                    scores[name] = round(helped(name, steps, options, copies, backbone_for, deadline), 3)
                    if scores[name] >= _HELPED:
                        break
                else:
                    labels = torch.tensor([known[row] for row in sorted(known)])
                    backbone = trained(name, steps, options, copies, backbone_for, deadline).backbone
                    scores[name] = round(_leave_one_out(backbone.features(copies.squares[: len(labels)]), labels), 4)
    except TimeUp:
        if not scores:
            reason = f"the usual ones, as {duration(allowed)} did not suffice to compare recipes of views"
            return Choice(fallback, {}, "none", reason)
    else:
        allowed = 0.0
    best = max(scores, key=lambda name: scores[name])
    by, lead, form = ("learnable", "times as often as untrained a view finds its own image", "{:.1f}")
    if known is not None:
        by, lead, form = "labels", "nearest labelled image of its class", "{:.0%}"
    table = ", ".join(f"{name} {form.format(score)}" for name, score in scores.items())
    untried = f"; no others in {duration(allowed)}" if allowed else ""
    return Choice(best, scores, by, f"{lead}: {table}{untried}")


def allowed_seconds(options: TrainOptions) -> float:
    """Seconds that choosing may take: a tenth of a budget, and 90 at the most."""
    return min(_MOST_SECONDS, _SHARE * parse_duration(options.budget) if options.budget else _MOST_SECONDS)


def affordable_steps(
    names: list[str],
    options: TrainOptions,
    n: int,
    copies: Images,
    backbone_for: Backbones,
    deadline: Deadline,
) -> int:
    """Steps of each trial, so that all of `names` can be tried in what is left; not less than says something.

    Raises:
        TimeUp, Interrupted: while a few steps are timed.
    """
    steps = trial_steps(options, n)
    trainer = rehearsal(names[0], steps, options, copies, backbone_for)
    trainer.plan_epoch(0)
    trainer.steps(1)
    begun = deadline.clock()
    for _ in range(_PRICED):
        deadline.check()
        trainer.steps(1)
    price = (deadline.clock() - begun) / _PRICED
    return max(_LEAST_STEPS, min(steps, int(deadline.left() / len(names) / max(price, 1e-9))))


def trial_steps(options: TrainOptions, n: int) -> int:
    """Steps of a short training: a tenth of those that the recipe has for `n` images, at most 128.

    Views that can be learned in a run of many steps may be too hard for one of few.
    """
    run = options.epochs * (n // options.batch_size)
    run = run if options.max_steps is None else min(run, options.max_steps)
    return max(_LEAST_STEPS, min(_STEPS, round(_TRIAL * run)))


def recipes_for(colour: bool, usual: str, by_labels: bool) -> list[str]:
    """The usual recipe, then those that are weaker; by labels, all that differ for such images."""
    order = [name for name in _WEAKER if colour or name != "simclr-light"]
    if by_labels:
        return [usual, *(name for name in (*order, *_OTHERS) if name != usual)]
    weaker = order[order.index(usual) + 1 :] if usual in order else ["crop-flip"]
    return [usual, *weaker]


def helped(
    name: str, steps: int, options: TrainOptions, copies: Images, backbone_for: Backbones, deadline: Deadline
) -> float:
    """How many times as often a view finds its own image as with raw pixels or untrained, whichever is better.

    Raises:
        TimeUp, Interrupted: before it is known.
    """
    exam = Exam(copies, name, options, deadline)
    trainer = rehearsal(name, steps, options, copies, backbone_for)
    untrained = trainer.backbone.calibrated(exam.gallery)
    before = max(exam.score(pixel_features), exam.score(untrained.features), 1 / len(exam.gallery))
    trainer.unseen(deadline.between_steps)
    return exam.score(trainer.backbone.features) / before


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
    *,
    seconds: float | None = None,
    clock: Clock = now,
    signal: Callable[[], int | None] = lambda: None,
) -> tuple[str, Choice | None]:
    """The recipe of views: as said; for `auto` that of an earlier start of the run, else one that is chosen now.

    The first of several processes chooses for all. `seconds`, `clock` and `signal` are those of `choose_views`.

    Raises:
        Interrupted: a signal asked to stop; nothing is chosen.
    """
    if options.augment != AUTO:
        return options.augment, None
    usual = recipe_values(options.recipe, method).get("augment", TrainOptions.augment)
    if options.epochs == 0:  # nothing is learned from them
        return usual, None
    choice = None
    if ranks.first:
        known = None if options.augment_by is None else few_labels(images, read_labels(Path(options.augment_by)))
        choice = choose_views(
            options, usual, images, rows, backbone_for, known, seconds=seconds, clock=clock, signal=signal
        )
    choice = ranks.objects(choice)[0]
    assert choice is not None
    return choice.chosen, choice
