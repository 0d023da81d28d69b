"""`--augment auto`: which views to learn from, found by short trainings and without labels.

What two views of an image may differ in is what the network learns to ignore. The more it is, the more is learned,
as long as it can be learned at all (Tian et al. 2020, "What makes for good views for contrastive learning?"): a few
thousand photos of a shop do not teach what a fruit is to a network that may not use its colour. So a small network is
trained on small copies for some steps by each augmentation, from the usual one for such images to weaker ones. The
usual one stays where training has brought its views nearer to their own images, beside raw pixels and the network
untrained.
Weak views are no rivals of strong ones that can be learned, however much better they are found: that is easy for them,
by colour and light. Else features decide by how well they tell how an image is turned (SelfAugment: Reed et al. 2021),
which colour and light do not, and a little by how much nearer their views came. Where a user has a few labels, they
decide; labels that the images have are asked what they say, and choose nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.augment.recipes import augmentation_names
from lookalike.core.budget import Clock, now
from lookalike.core.comm import Comm
from lookalike.core.durations import duration, parse_duration
from lookalike.core.errors import LookalikeError
from lookalike.core.label_files import read_labels
from lookalike.core.matching import Matcher
from lookalike.core.options import AUTO, TrainOptions
from lookalike.core.progress import phase
from lookalike.core.words import agreeing, counted
from lookalike.data.base import Images
from lookalike.engine.presets import preset_values
from lookalike.engine.view_trials import (
    Deadline,
    Exam,
    FeatureExtractors,
    Result,
    TimeUp,
    small_copies,
    trained,
    trial_run,
)
from lookalike.evaluate.baselines import pixel_features
from lookalike.methods.roles import DEFAULT
from lookalike.runs.folder import RunFolder

_WEAKER = ("simclr", "simclr-small", "simclr-light", "crop-flip")
"""From strong to weak; without colour, light is the same as small."""
_OTHERS = ("digits",)  # of no place in that order; compared by labels only

_FEWEST = 256  # training images below which nothing is chosen
STEPS = 48
"""Of each training: as many for all data and runs, as `_ENOUGH` is what as many reach."""
_SHARE = 0.1  # of a budget that choosing may take, and
_MOST_SECONDS = 90.0  # at the most, also without a budget
_ENOUGH = 0.05
"""By so much of the way must training bring views nearer to their own images for their augmentation to be learnable."""
_WEIGHT = (
    0.2  # of being nearer, beside the share of images whose turn is told, where the usual augmentation is not learnable
)


@dataclass(frozen=True)
class Choice:
    """An augmentation of views, and why."""

    chosen: str
    scores: dict[str, float]
    """What each augmentation that was tried reached."""
    by: str
    """What the scores are: "learnable", "labels" or "none"."""
    reason: str
    knn: dict[str, float] = dataclasses.field(default_factory=dict)
    """kNN accuracy by the labels of the images after each trial, where there are labels; nothing is chosen by it."""

    def words(self) -> str:
        """For the lines a run begins with."""
        return f"views {self.chosen}, chosen for these images: {self.reason}"

    def record(self) -> dict[str, object]:
        """For run.json."""
        return dataclasses.asdict(self)


def choose_views(
    options: TrainOptions,
    fallback: str,
    images: Images,
    rows: Tensor,
    backbone_for: FeatureExtractors,
    labelled: dict[int, int] | None = None,
    *,
    seconds: float | None = None,
    clock: Clock = now,
    signal: Callable[[], int | None] = lambda: None,
) -> Choice:
    """Compare augmentations of views by short trainings, in the time that there is.

    The clock is looked at between steps. An augmentation whose training has not ended when the time is up counts as not
    tried.

    Args:
        options: resolved but for `augment`; seed, device, threads, budget and encoder settings count.
        fallback: the augmentation to take where nothing can be told.
        images: the data set.
        rows: those of its images that are trained on.
        backbone_for: an untrained backbone for options and images.
        labelled: classes of a few rows of `images`, where the user gave some to choose by.
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
            f"{counted(len(rows), 'image')} {agreeing(len(rows), 'is', 'are')} too few to compare augmentations",
        )
    allowed = allowed_seconds(options) if seconds is None else seconds
    deadline = Deadline(allowed, clock, signal)
    names = recipes_for(images.coloured, fallback, labelled is not None)
    scores: dict[str, float] = {}
    results: dict[str, Result] = {}
    early = False
    with phase("choosing views", len(names)) as progress:
        try:
            copies = small_copies(images, rows, options.seed, sorted(labelled or ()), deadline)
            if labelled is None:
                exam = Exam(copies, names, options, deadline, labels_of(copies, images))
                before = far_before(exam, options, copies, backbone_for)
            for name in progress.over(names):
                features = trained(name, STEPS, options, copies, backbone_for, deadline).backbone.features
                if labelled is None:
                    results[name] = exam.take(features, [name], turns=True)
                    scores[name] = round(before[name] - results[name].far[name], 3)
                    if scores[fallback] >= _ENOUGH and images.labels is None:
                        break  # else the labels are asked what they say to the others
                else:
                    labels = torch.tensor([labelled[row] for row in sorted(labelled)])
                    scores[name] = round(_leave_one_out(features(copies.center_crops[: len(labels)]), labels), 4)
        except TimeUp:
            early = True
    if not scores or (early and len(scores) == 1):
        reason = f"the usual ones, as {duration(allowed)} did not suffice to compare augmentations"
        return Choice(fallback, {}, "none", reason)
    best = max(scores, key=lambda name: scores[name])
    by, lead, form = "labels", "nearest labelled image of its class", "{:.0%}"
    if labelled is None:
        turned = {name: round(result.turned, 4) for name, result in results.items()}
        best = most_worth(scores, turned, fallback)
        by, lead, form = "learnable", "training brings a view nearer to its own image by", "{:.0%}"
    table = ", ".join(f"{name} {form.format(score)}" for name, score in scores.items())
    if labelled is None and scores[fallback] < _ENOUGH:
        turns = ", ".join(f"{name} {share:.0%}" for name, share in turned.items())
        table = f"{table}; then tells how an image is turned: {turns}"
    untried = f"; no others in {duration(allowed)}" if early else ""
    knn = {name: round(result.knn, 4) for name, result in results.items() if result.knn is not None}
    return Choice(best, scores, by, f"{lead}: {table}{untried}{by_labels(knn)}", knn)


def most_worth(gains: dict[str, float], turned: dict[str, float], usual: str) -> str:
    """The augmentation to learn from: the usual one where it can be learned, else that of the features that tell most.

    Args:
        gains: for each augmentation that was tried, usual and weaker ones: by how much training brought its views
            nearer to their own image (`distance_to_own`) than raw pixels and the untrained network do.
        turned: for each, the share of images of which the trained features tell how they are turned.
        usual: the one that teaches most as long as it can be learned.
    """
    if gains[usual] >= _ENOUGH:
        return usual
    return max(gains, key=lambda name: turned[name] + _WEIGHT * gains[name])


def labels_of(copies: Images, images: Images) -> Tensor | None:
    """Labels (int64 [N]) of copies, where the images have some."""
    if images.labels is None:
        return None
    return images.labels[torch.tensor([int(path) for path in copies.paths])]


def by_labels(knn: dict[str, float]) -> str:
    """What the labels say to the augmentations, for the end of a sentence; they choose nothing."""
    if len(knn) < 2:
        return ""
    table = ", ".join(f"{value:.0%} with {name}" for name, value in knn.items())
    return f"; by the labels, which are not chosen by, kNN after these short trainings is {table}"


def far_before(exam: Exam, options: TrainOptions, copies: Images, backbone_for: FeatureExtractors) -> dict[str, float]:
    """Augmentation -> `distance_to_own` of raw pixels or of the untrained network, whichever is nearer.

    Raises:
        TimeUp, Interrupted: before it is known.
    """
    names = list(exam.views)
    untrained = trial_run(names[0], 1, options, copies, backbone_for).backbone.with_recomputed_bn_stats(exam.gallery)
    pixels, network = exam.take(pixel_features, names).far, exam.take(untrained.features, names).far
    return {name: min(pixels[name], network[name]) for name in names}


def allowed_seconds(options: TrainOptions) -> float:
    """Seconds that choosing may take: a tenth of a budget, and 90 at the most."""
    return min(_MOST_SECONDS, _SHARE * parse_duration(options.budget) if options.budget else _MOST_SECONDS)


def recipes_for(colour: bool, usual: str, by_labels: bool) -> list[str]:
    """The usual augmentation, then those that are weaker; by labels, all that differ for such images."""
    order = [name for name in _WEAKER if colour or name != "simclr-light"]
    if by_labels:
        return [usual, *(name for name in (*order, *_OTHERS) if name != usual)]
    weaker = order[order.index(usual) + 1 :] if usual in order else ["crop-flip"]
    return [usual, *weaker]


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
    backbone_for: FeatureExtractors,
    comm: Comm,
    *,
    seconds: float | None = None,
    clock: Clock = now,
    signal: Callable[[], int | None] = lambda: None,
) -> tuple[str, Choice | None]:
    """The augmentation of views: as said; for `auto` that of an earlier start of the run, else one that is chosen now.

    The first of several processes chooses for all. `seconds`, `clock` and `signal` are those of `choose_views`.

    Raises:
        Interrupted: a signal asked to stop; nothing is chosen.
    """
    if options.augment != AUTO:
        return options.augment, None
    usual = preset_values(options.preset, method).get("augment", TrainOptions.augment)
    if usual not in augmentation_names():  # views of its own, which the trials know nothing of
        usual = preset_values(options.preset, DEFAULT).get("augment", TrainOptions.augment)
    if options.epochs == 0:  # nothing is learned from them
        return usual, None
    choice = None
    if comm.first:
        labelled = None if options.augment_by is None else few_labels(images, read_labels(Path(options.augment_by)))
        choice = choose_views(
            options, usual, images, rows, backbone_for, labelled, seconds=seconds, clock=clock, signal=signal
        )
    choice = comm.objects(choice)[0]
    assert choice is not None
    return choice.chosen, choice
