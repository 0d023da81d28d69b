"""`--budget 20m`: how many epochs fit, measured on this machine before the first step.

A few steps are rehearsed on a copy of everything, and what comes after training is forecast from the rate at
which features are computed. The number of epochs found is written to config.toml like any other value, so
that a run which goes on later, or elsewhere, is the same run: time is looked at once and never again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from lookalike.core.durations import duration, parse_duration
from lookalike.core.errors import LookalikeError
from lookalike.core.options import TrainOptions
from lookalike.data.base import Images
from lookalike.engine.backbone import Backbone
from lookalike.engine.rehearsal import Rehearsal
from lookalike.engine.run_folder import RunFolder
from lookalike.engine.snapshots import SUBSET
from lookalike.methods.base import Method

Clock = Callable[[], float]

LOOKS = 10
"""Looks at what is learned, and frames of the page, in a run: at the most, and"""
FEWEST_LOOKS = 3
"""at the least, where `LOOKS` would take more than this share of the budget:"""
LOOKED = 0.05

_SHARE = 0.01  # of the budget that may be spent on measuring, and
_LEAST, _MOST = 2.0, 10.0  # seconds of it at least and at the most
_WARM = 2  # steps before the clock counts: the first ones allocate memory and choose kernels
_AIM = 0.97  # of the budget: being early costs little, being late breaks the promise
_MOST_EPOCHS = 2000  # more has not been seen to help, and a page with a handful of images needs no night
_FEWEST_STEPS = 20
_TIMED_IMAGES = 1024  # whose features are timed

# Seconds of what comes after training, apart from features; from runs of 2,000 to 70,000 images on 2 cores. They are
# a small part of a budget of minutes, so that another machine's factor of two is forgiven.
_PAGE, _PAGE_FRAME = 2.0, 0.2  # the page, and each frame of the map for a thousand images
_GROUPS, _GROUPS_ROWS, _GROUPED = 2.0, 4.0, 6.0  # groups, their number chosen: for a thousand images, up to so many


@dataclass(frozen=True)
class Forecast:
    """Where the time of a budget will go, in seconds."""

    epoch: float
    looks: float
    """All looks, and the frames kept at them."""
    after: float
    """Evaluation, features, groups and page."""
    left: float
    """Of the budget, when it was looked at."""

    def words(self) -> str:
        """For the lines a run begins with."""
        return (
            f"{duration(self.left)} left of the budget: about {duration(self.looks)} for looks, {duration(self.after)} "
            f"for features, evaluation and page, {duration(self.epoch)} for an epoch"
        )

    def record(self) -> dict[str, float]:
        """For run.json."""
        return {name: round(seconds, 3) for name, seconds in asdict(self).items()}


@dataclass(frozen=True)
class Pace:
    """What was measured, in seconds."""

    step: float
    """A step of training."""
    plan: float
    """The plan of an epoch; for DeepCluster a pass over all images, and clustering."""
    look: float
    """A look at what is learned,"""
    looked: int
    """which computes the features of so many images."""
    image: float
    """The features of an image."""


def measure_pace(trainer: Rehearsal, seconds: float, clock: Clock = time.monotonic) -> Pace:
    """Train for about so many seconds; the same number of steps in every process."""
    plan = _timed(clock, lambda n: trainer.plan_epoch(0))
    step = _timed(clock, trainer.steps, _WARM)
    count = max(_WARM, int(seconds / max(step, 1e-6)))
    step = _timed(clock, trainer.steps, trainer.ranks.objects(count)[0])
    rows = trainer.rows[:_TIMED_IMAGES]
    image = _timed(clock, lambda n: trainer.backbone.features(trainer.images.squares[rows]), len(rows))
    look = _timed(clock, lambda n: trainer.looker.look(trainer.backbone))
    return trainer.ranks.objects(Pace(step, plan, look, len(trainer.looker.rows), image))[0]


def _timed(clock: Clock, work: Callable[[int], object], count: int = 1) -> float:
    """Seconds of one of `count` pieces of work."""
    begun = clock()
    work(count)
    return (clock() - begun) / count


def fit_budget(
    pace: Pace, options: TrainOptions, n: int, images: int, left: float, probes: float
) -> tuple[dict[str, Any], Forecast]:
    """Epochs (or steps, where not even one epoch fits) that end in time, and the forecast behind them.

    Args:
        pace: what was measured.
        options: resolved; `batch_size` and `report` count.
        n: training images.
        images: all images.
        left: seconds until all has to be done.
        probes: seconds of an evaluation, apart from the features; 0 where there will be none.

    Returns:
        Options to change, and the forecast.

    Raises:
        LookalikeError: too little time for anything; names what would do.
    """
    budget = parse_duration(options.budget or "")
    mapped = min(images, SUBSET) / 1000
    beside = min(images, SUBSET) * (1 - pace.looked / images)  # images of the frames that a look does not need
    look = pace.look + beside * pace.image
    # two more come before the first step: of pixels and of the untrained network
    count = max(FEWEST_LOOKS, min(LOOKS, int(LOOKED * budget / max(look, 1e-6)) - 2))
    looks = (count + 2) * look
    passes = 1 + bool(probes and options.init)  # features; the weights it began with are measured too
    after = (
        passes * images * pace.image
        + probes * (1 + bool(options.init))
        + _GROUPS
        + _GROUPS_ROWS * min(images / 1000, _GROUPED)
    )
    after += _PAGE + (count + 2) * _PAGE_FRAME * mapped if options.report else 0
    batches = n // options.batch_size
    epoch = pace.plan + batches * pace.step
    room = _AIM * left - looks - after
    forecast = Forecast(epoch, looks, after, left)
    steps = int((room - pace.plan) / pace.step)
    if steps < _FEWEST_STEPS:
        least = (looks + after + pace.plan + max(batches, _FEWEST_STEPS) * pace.step) / _AIM
        spent = budget - left
        raise LookalikeError(
            f"--budget {options.budget} is too little: {duration(max(0.0, left))} of it are left, and looks, features "
            f"and page will take about {duration(looks + after)}. An epoch takes {duration(epoch)}; allow "
            f"at least {duration(math.ceil(spent + least))}, or train on fewer or smaller images (--image-size)"
        )
    epochs = min(int(room / epoch), _MOST_EPOCHS)
    changes: dict[str, Any] = {"epochs": epochs} if epochs else {"epochs": 1, "max_steps": steps}
    changes["check_every"] = math.ceil(changes["epochs"] / count)
    return changes, forecast


def wants_epochs(options: TrainOptions, explicit: set[str]) -> bool:
    """Whether epochs are to be found by time: a budget was given, and neither epochs nor steps were."""
    return options.budget is not None and not {"epochs", "max_steps"} & explicit


def settle_epochs(
    method: Method,
    backbone: Backbone,
    options: TrainOptions,
    explicit: set[str],
    images: Images,
    rows: Tensor,
    run: RunFolder,
    spent: float,
    probes: float,
    clock: Clock = time.monotonic,
) -> tuple[dict[str, Any], Forecast | None]:
    """Options to change so that a budget is kept; nothing where there is none, or epochs or steps were said.

    What an earlier start of the same run chose is kept, whatever the machine is doing today. `spent` seconds of the
    budget are gone already, and an evaluation is known to take `probes`.
    """
    if not wants_epochs(options, explicit):
        return {}, None
    if run.config.exists():
        stored = run.settings()
        return {name: stored.get(name) for name in ("epochs", "max_steps", "check_every")}, None
    begun = clock()
    budget = parse_duration(options.budget or "")
    seconds = min(max(_SHARE * budget, _LEAST), _MOST)
    pace = measure_pace(Rehearsal(method, backbone, options, images, rows), seconds, clock)
    left = budget - spent - (clock() - begun)
    return fit_budget(pace, options, len(rows), len(images), left, probes)
