"""How a run starts, or goes on: what earlier starts have found, what is shown first, and what is kept."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from lookalike.api.records import write_index
from lookalike.core.budget import Budget
from lookalike.core.errors import Interrupted
from lookalike.core.files import write_csv
from lookalike.core.options import AUTO, TrainOptions
from lookalike.core.progress import tell
from lookalike.data.base import Images
from lookalike.engine import wording
from lookalike.engine.backbone import Backbone
from lookalike.engine.budget import keeps_time
from lookalike.engine.extent import Extent, extent_in
from lookalike.engine.pacing import CLOCK
from lookalike.engine.run_folder import RunFolder
from lookalike.engine.snapshots import snapshots

O = TypeVar("O", bound=TrainOptions)  # noqa: E741  # O as in options

FirstPage = Callable[[RunFolder, Images, float], str]

_PAGE, _PAGE_MOST, _PAGE_LEAST = 0.025, 40.0, 4.0  # share of a budget, and seconds, that the first page may take


def as_before(options: O, named: set[str], run: RunFolder) -> O:
    """The options, with what an earlier start of the same run has chosen or the clock has decided."""
    changes: dict[str, Any] = {}
    stored = run.settings() if run.config.exists() else {}
    if options.augment == AUTO and stored:
        changes["augment"] = stored.get("augment", AUTO)
    if keeps_time(options, named):
        changes["schedule"] = CLOCK
        if stored.get("schedule", "") != CLOCK and stored:  # it was trained to its end
            changes |= {name: stored.get(name) for name in ("epochs", "max_steps", "schedule", "check_every")}
    return dataclasses.replace(options, **changes)


def claim(
    run: RunFolder, method: str, options: TrainOptions, images: Images, command: str, budget: Budget | None
) -> tuple[bool, bool]:
    """Make the folder this run's; whether there is a state to go on from, and whether all is done."""
    resumed = run.claim(method, options, images, command)
    if not run.index.exists():  # what a run that is under way is shown with
        write_index(run.path, images)
    if images.skipped:
        write_csv(run.skipped, ("path", "reason"), images.skipped)
    if run.complete():
        return resumed, True
    run.forget_features()
    if budget is not None:
        budget.before = float(run.status().get("used", 0.0))
        run.update(used=budget.used())
    return resumed, False


@contextmanager
def kept(run: RunFolder, images: Images, graceful: bool, first: bool = True) -> Iterator[None]:
    """What comes before the first step: Ctrl-C ends it with what there is, which the next start uses.

    Of several processes the `first` one puts it on record.

    Raises:
        Interrupted: of a command line's run, and says what was kept.
    """
    try:
        yield
    except (KeyboardInterrupt, Interrupted) as stopped:
        number = stopped.signal_number if isinstance(stopped, Interrupted) else signal.SIGINT
        if isinstance(stopped, KeyboardInterrupt) and not graceful:
            raise
        if first:
            run.update("interrupted")
        raise Interrupted(wording.before_training(run, images, number), number) from None


def before_learning(
    run: RunFolder,
    images: Images,
    backbone: Backbone,
    options: TrainOptions,
    budget: Budget,
    first_page: FirstPage | None,
) -> None:
    """What a run with a budget shows before anything is learned, and how far it will look at what is."""
    known = run.status().get("extent")
    extent = Extent(**known) if known else extent_in(budget.seconds, backbone, images)
    run.update(extent=dataclasses.asdict(extent))
    if not options.snapshots:
        return
    snapshots(True, run.snapshots, images, None, options.seed, extent.followed).begin(0)
    if first_page is not None and not run.report.exists():
        seconds = max(_PAGE_LEAST, budget.share(_PAGE, _PAGE_MOST))
        tell(f"first page: {first_page(run, images, seconds)}")
    run.update(used=budget.used())
