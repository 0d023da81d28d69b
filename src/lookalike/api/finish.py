"""The last phase of a training, whoever asked for it: features, evaluation, groups and page, each where it is wanted.

What is there already stays as it is, so that the same call again does nothing twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.api.embedding import embed, features_of
from lookalike.api.evaluating import can_evaluate, evaluate
from lookalike.api.records import images_of, options_of
from lookalike.core.budget import EVALUATION, FEATURES, GROUPED, GROUPS, PAGE, Budget, now
from lookalike.core.comm import SINGLE
from lookalike.core.durations import timed
from lookalike.core.errors import LookalikeError, MachineError
from lookalike.core.files import read_json
from lookalike.data.base import Images
from lookalike.engine.clustering import AUTO, group_run
from lookalike.runs.clusters import ClusterRecord
from lookalike.runs.folder import RunFolder

LastPage = Callable[[RunFolder, float | None], str]
"""Writes the page of a run in so many seconds (None: as many as it takes), and says where it is."""

_PAGE_LEAST = 5.0  # seconds that the page may take in any case


@dataclass(frozen=True)
class Wish:
    """How a run is to be finished, where it matters."""

    tasks: Collection[str] = (FEATURES,)
    """Of FEATURES, EVALUATION, GROUPS, PAGE (`core/budget.py`); features there are in any case."""
    baselines: bool = True
    """Whether an evaluation measures pixels, histograms and the untrained network as well."""
    groups: int | str = AUTO
    """How many groups."""
    seed: int = 0
    """Of the groups."""
    budget: Budget | None = None
    """The time that is left for all of it."""
    begun: float | None = None
    """When the caller began, by `core/budget.py: now`, for the record."""
    page: LastPage | None = None
    """Writes the page."""
    figures: Callable[[RunFolder], None] | None = None
    """Is called when the figures are there, or are not to be had."""


@dataclass(frozen=True)
class Finished:
    """What a finished run holds besides its weights."""

    run: RunFolder
    groups: ClusterRecord | None = None
    """clusters.json; None where no groups were wanted, or are not to be had."""
    no_groups: str = ""
    """Why they are not to be had."""
    page: str = ""
    """Where the page is; empty where none was wanted."""
    computed: Tensor | None = field(default=None, repr=False)
    """The features, where they were computed now."""

    @property
    def features(self) -> Tensor:
        """float32 [N, D], in the order of index.csv."""
        return torch.from_numpy(np.load(self.run.embeddings)) if self.computed is None else self.computed


def finish(
    run: RunFolder,
    wish: Wish | None = None,
    *,
    images: Images | None = None,
    features: Tensor | None = None,
    encoder: nn.Module | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> Finished:
    """Complete a trained run, by this process alone.

    Args:
        run: a run folder whose training has ended.
        wish: what is wanted besides the features.
        images: those that the run was trained on, where they are not to be loaded again.
        features: theirs, where they are known.
        encoder: the network that was given to `train` from Python.
        device: where features are computed.
        threads: CPU threads.

    Raises:
        LookalikeError: images that are gone or have changed. MachineError: a full disk; says where the weights are.
    """
    wish = wish or Wish()
    images = images or images_of(run, options_of(run)[1])
    evaluated = run.evaluation.exists() or EVALUATION not in wish.tasks or not can_evaluate(images)
    seconds: dict[str, float] = {}
    groups: ClusterRecord | None = None
    no_groups, page = "", ""
    with _weights_are_saved(run):
        if features is None and not (evaluated and run.embeddings.exists()):
            features = features_of(run, images, device, threads, encoder)
        if not evaluated:
            most = None if wish.budget is None else run.status().rows_to_evaluate
            evaluate(
                run,
                images=images,
                baselines=wish.baselines,
                device=device,
                threads=threads,
                encoder=encoder,
                comm=SINGLE,
                features=features,
                most=most,
            )
        if wish.figures is not None:
            wish.figures(run)
        if not run.embeddings.exists():
            embed(run, device=device, threads=threads, encoder=encoder, images=images, features=features)
        if GROUPS in wish.tasks:
            before = run.clusters.exists()
            (groups, no_groups), taken = timed(lambda: _groups(run, wish))
            seconds |= {} if before else {"cluster": taken}
        run.update("finished")
        if wish.page is not None and PAGE in wish.tasks:
            write, left = wish.page, None if wish.budget is None else max(_PAGE_LEAST, wish.budget.left())
            page, seconds["report"] = timed(lambda: write(run, left))
        if wish.begun is not None:
            seconds["all"] = now() - wish.begun
        run.update(seconds=seconds)
        if wish.budget is not None:
            run.update(used=wish.budget.used())
    return Finished(run, groups, no_groups, page, features)


def _groups(run: RunFolder, wish: Wish) -> tuple[ClusterRecord | None, str]:
    """Group the images, unless that was done before; the groups, or why there are none."""
    budget = wish.budget
    end = None if budget is None else budget.used() + budget.share(GROUPED)

    def left() -> float:
        return math.inf if budget is None or end is None else end - budget.used()

    try:
        if run.clusters.exists():
            return ClusterRecord.from_json(read_json(run.clusters)), ""
        return group_run(run, wish.groups, "kmeans", wish.seed, left=left), ""
    except LookalikeError as error:  # collapsed features have no groups; all else of the run is there
        return None, str(error)


@contextmanager
def _weights_are_saved(run: RunFolder) -> Iterator[None]:
    """What the machine refuses in here is told with where the weights are."""
    try:
        yield
    except MachineError as error:
        raise MachineError(f"{error}\nThe training is done, and its weights are saved: {run.encoder}") from error
