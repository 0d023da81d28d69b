"""`--budget 20m`: what has to be kept back for features, evaluation, groups and page, so that a run ends in time.

The training takes whatever is left (`pacing.py`). What comes after it is forecast from rates that this machine showed
under way: the features of an image and a look are timed at every look, an evaluation on a sample before the first step.
A machine that has become slower since is slower afterwards too, so the forecast grows with the seconds of a step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from lookalike.core.budget import EVALUATED, EVALUATION, FEATURES, GROUPED, GROUPS, PAGE, Budget
from lookalike.core.durations import duration, timed
from lookalike.core.errors import LookalikeError
from lookalike.core.options import TrainOptions
from lookalike.core.record_types import Record
from lookalike.core.words import counted
from lookalike.data.base import Images
from lookalike.engine.evaluator import Evaluator, FeatureCache
from lookalike.engine.pacing import CLOCK, ByClock, Evenly
from lookalike.engine.snapshots import SUBSET
from lookalike.evaluate.clusters import groups
from lookalike.evaluate.knn import K
from lookalike.evaluate.n_clusters_selection import CANDIDATES, ROWS_PER_GROUP
from lookalike.evaluate.protocol import measure
from lookalike.optim.schedules import warmup_steps

AIM = 0.98
"""Share of a budget at which all is to be done: being early costs little, being late breaks the promise."""

MEASURED = ("image", "look", "probe", "groups", "frames")
"""What a `Behind` was told of under way, for a checkpoint."""

LOOKS = 10
"""Looks at what is learned, and frames of the page, in a run at the most."""
LOOKED = 0.03
"""Share of the training's time that they may take; one at its end comes in any case."""

# Seconds; from runs of 2,000 to 70,000 images on 2 cores. They are a small part of a budget of minutes, so that another
# machine's factor of two is forgiven.
_PAGE, _PAGE_FRAME = 2.0, 0.2  # the page, and each frame of the map for a thousand images
_GROUPINGS = 1.6 * 9 * 6  # of half of the rows into few groups: what each number of groups that is tried takes
_TRIED, _ROWS = 8, 6000  # groups of the one that is timed; rows that are looked at, at the most
_FEWEST_EVALUATED = 1000
_BANK, _QUERIES = 2048, 256  # images that an evaluation is timed with
_PROBE_IMAGE = 3e-4  # of an evaluation, for an image to learn from, where there are too few to time it with
_LEAST, _LEAST_IMAGE = 10.0, 0.0005  # of a budget that can be kept: for a start, and to read a file, on two cores


@dataclass
class Behind:
    """What comes after a training of a collection, and how long it will take."""

    images: int
    tasks: frozenset[str]
    """Of FEATURES, EVALUATION, GROUPS, PAGE."""
    networks: int = 1
    """Whose features an evaluation compares; the trained one among them."""
    frames: int = 3
    """Of the page's map, so far and to come."""
    image: float = 0.0
    """Seconds of the features of an image,"""
    look: float = 0.0
    """and of the last look, measured last."""
    rows: int = 0
    """Images that an evaluation learns from and asks for,"""
    probe: float = 0.0
    """and seconds of evaluating one network with all of them, apart from its features."""
    budget: float = float("inf")
    """Seconds in all, of which an evaluation may take `EVALUATED`: of a sample of the images, where all take longer."""
    groups: float = 0.0
    """Seconds of finding groups and their number."""

    def checkpoint_state(self) -> Record:
        """What a checkpoint holds of it."""
        return {"behind": {name: getattr(self, name) for name in MEASURED}}

    def restore(self, state: Record) -> None:
        """Go back to what a checkpoint holds."""
        for name, value in state.get("behind", {}).items():
            setattr(self, name, value)

    def measure(self, cache: FeatureCache, images: Images, evaluator: Evaluator) -> None:
        """Time what is to come on a network's features of some images."""
        if EVALUATION in self.tasks:
            self.probe = probe_seconds(cache, images, evaluator)
        if GROUPS in self.tasks:
            self.groups = grouping_seconds(cache, self.images)

    def parts(self, slowness: float = 1.0) -> dict[str, float]:
        """Seconds of each task, on a machine that is so many times as slow as it was."""
        thousands = min(self.images, SUBSET) / 1000
        seconds = {"last look": self.look}
        if FEATURES in self.tasks:
            seconds[FEATURES] = self.images * self.image
        if EVALUATION in self.tasks:
            seconds[EVALUATION] = min(self._evaluation(slowness), EVALUATED * self.budget)
        if GROUPS in self.tasks:
            seconds[GROUPS] = min(self.groups * slowness, GROUPED * self.budget)
        if PAGE in self.tasks:
            seconds[PAGE] = (_PAGE + self.frames * _PAGE_FRAME * thousands) * slowness
        return seconds

    def _evaluation(self, slowness: float) -> float:
        """Seconds of an evaluation with all images."""
        return self.networks * self.probe * slowness + (self.networks - 1) * self.rows * self.image

    def evaluated(self, slowness: float = 1.0) -> int:
        """Images of an evaluation that ends in its time."""
        share = min(1.0, EVALUATED * self.budget / max(1e-9, self._evaluation(slowness)))
        return min(self.rows, max(_FEWEST_EVALUATED, int(share * self.rows)))

    def seconds(self, slowness: float = 1.0) -> float:
        """Of all tasks."""
        return sum(self.parts(slowness).values())

    def words(self, budget: Budget) -> str:
        """For the lines that a run begins with."""
        parts = ", ".join(f"{duration(seconds)} for {name}" for name, seconds in self.parts().items())
        return f"{duration(budget.left())} left of the budget; about {parts}; the training takes the rest"

    def record(self, slowness: float = 1.0) -> dict[str, object]:
        """For run.json."""
        parts = {name: round(seconds, 3) for name, seconds in self.parts(slowness).items()}
        return {"behind": parts, "evaluated": self.evaluated(slowness)}


def grouping_seconds(cache: FeatureCache, images: int) -> float:
    """Seconds of finding groups and their number, from one grouping of a few of the rows."""
    rows = min(images, _ROWS)
    x_ND = cache.x_ND[: rows // 2]
    if len(x_ND) < 2 * _TRIED:
        return 1.0
    seconds = min(timed(lambda: groups("kmeans", x_ND, _TRIED, restarts=1))[1] for _ in range(2))
    tried = sum(k * ROWS_PER_GROUP <= rows // 2 for k in CANDIDATES)
    return 1.0 + _GROUPINGS * tried * seconds / 2 * (rows // 2) / len(x_ND)


def probe_seconds(cache: FeatureCache, images: Images, evaluator: Evaluator) -> float:
    """Seconds of evaluating a network with all images, from those with a few of them."""
    split, labels = images.evaluation, images.labels
    assert split is not None and labels is not None
    rows = torch.cat([evaluator.bank[:_BANK], evaluator.queries[:_QUERIES]])
    bank = torch.arange(min(_BANK, len(evaluator.bank)))
    asked = torch.arange(len(bank), len(rows))
    if len(bank) < K or not len(asked):
        return _PROBE_IMAGE * len(split[0])
    x_ND, y_N = cache(rows), labels[rows]
    _, seconds = timed(lambda: measure(x_ND, y_N, bank, asked, len(images.classes)))
    return seconds * max(1.0, len(split[0]) / len(bank))


def keeps_time(options: TrainOptions, explicit: Iterable[str]) -> bool:
    """Whether the clock says how long to train: a budget was given, and neither epochs, steps nor a schedule were."""
    return options.budget is not None and (
        options.schedule == CLOCK or not {"epochs", "max_steps", "schedule"} & set(explicit)
    )


def pacing_in(options: TrainOptions, n: int, budget: Budget, behind: Behind) -> Evenly:
    """The pacing of a training of n images that takes what a budget has left before what is `behind`."""

    def room() -> float:
        return budget.left() - (1 - AIM) * budget.seconds - behind.seconds(pacing.slowness())

    pacing = ByClock(room, warmup_steps(n, options.batch_size, options.warmup), budget.clock)
    return pacing


def raise_too_little(budget: Budget, files: int) -> None:
    """Refuse a budget in which so many image files cannot even be read; nothing was read yet.

    Raises:
        LookalikeError: what would do.
    """
    least = _LEAST + _LEAST_IMAGE * files
    if budget.left() < least:
        raise LookalikeError(
            f"{duration(max(0.0, budget.left()))} are too little time to read {counted(files, 'image')} and to learn "
            f"from them: allow at least --budget {math.ceil(least + budget.used() + 1)}s"
        )
