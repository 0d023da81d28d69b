"""What comes between building a network and its first step: the run folder is claimed, a first page is shown."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from lookalike.api.build import Built
from lookalike.api.load import Loaded
from lookalike.api.networks import untrained_backbone
from lookalike.api.records import write_index
from lookalike.core.budget import Budget, now
from lookalike.core.comm import SINGLE, Comm
from lookalike.core.config import Config
from lookalike.core.errors import Interrupted
from lookalike.core.files import write_csv
from lookalike.core.options import TrainOptions, lasting, raise_problems
from lookalike.core.progress import tell
from lookalike.data.base import Images
from lookalike.data.quality import quality_of
from lookalike.engine import messages
from lookalike.engine.choose_views import Choice, allowed_seconds, settle_views
from lookalike.engine.disk import foreseen, release, reserve
from lookalike.engine.distributed import disagreements
from lookalike.engine.extent import Extent, extent_in
from lookalike.engine.pacing import CLOCK
from lookalike.engine.signals import StopSignals
from lookalike.engine.snapshots import snapshots
from lookalike.runs.folder import RunFolder

FirstPage = Callable[[RunFolder, Images, float], str]

_PAGE, _PAGE_MOST, _PAGE_LEAST = 0.025, 40.0, 4.0  # share of a budget, and seconds, that the first page may take


@dataclass(frozen=True)
class Job:
    """How a training is asked to go: what does not decide its result."""

    device: str
    """Where to compute."""
    comm: Comm = SINGLE
    """The processes that train together."""
    budget: Budget | None = None
    """The time that all may take."""
    tasks: frozenset[str] = frozenset()
    """What comes after the training in that time (`core/budget.py`: FEATURES, ...)."""
    command: str = "python"
    """For the record."""
    graceful: bool = False
    """Whether SIGINT ends the training, and the run is complete; else it is saved and Interrupted is raised."""
    first_page: FirstPage | None = None
    """Writes the page of a run before its first step, in so many seconds, and says where it is."""


@dataclass(frozen=True)
class Claim:
    """What was there of the run when its folder was claimed."""

    resumed: bool
    """Whether there is a state to go on from."""
    done: bool
    """Whether it is trained to its last step."""


def claim(
    run: RunFolder, config: Config[TrainOptions], loaded: Loaded, built: Built, job: Job, held: ExitStack
) -> Claim:
    """Make a folder this run's, for all processes, and see that the disk has space for it until `held` is closed.

    Raises:
        LookalikeError: the processes were told different things, the folder is another run's, the disk is too full.
    """
    options, comm, images = config.options, job.comm, loaded.images
    identity = {"method": config.method, **lasting(options), "run folder": str(run.path), "images": images.fingerprint}
    with comm.collective_errors():
        raise_problems(disagreements(comm.objects(identity)))
    result = Claim(False, False)
    with comm.collective_errors():
        if comm.first:
            if not run.complete():
                held.callback(release, run)
                reserve(run, foreseen(built.method, built.backbone.encoder, options, len(images)))
            result = _claim(run, config, images, job)
    result = comm.objects(result)[0]
    run.loaded = images
    return result


def _claim(run: RunFolder, config: Config[TrainOptions], images: Images, job: Job) -> Claim:
    resumed = run.claim(config.method, config.options, images, job.command)
    if not run.index.exists():  # what a run that is under way is shown with
        write_index(run.path, images)
    if images.skipped:
        write_csv(run.skipped, ("path", "reason"), images.skipped)
    if run.complete():
        return Claim(resumed, True)
    run.forget_features()
    if job.budget is not None:
        job.budget.before = run.status().used
        run.update(used=job.budget.used())
    return Claim(resumed, False)


def introduce(run: RunFolder, config: Config[TrainOptions], images: Images, built: Built, job: Job) -> None:
    """Say what was found in the images, and with a budget show a first page of them, before anything is learned.

    Raises:
        Interrupted: a signal asked to stop.
    """
    if images.listed is not None:
        for words in quality_of(images.listed, images.examined).lines():
            tell(words)
    if job.budget is not None and config.options.schedule == CLOCK:
        with stopped_cleanly(run, images, job.graceful):
            _before_learning(run, images, built, config.options, job.budget, job.first_page)


def choose_views(
    config: Config[TrainOptions], loaded: Loaded, run: RunFolder, job: Job
) -> tuple[Config[TrainOptions], Choice | None]:
    """The configuration with the views that short trainings choose, where it leaves them open, and why these.

    Raises:
        Interrupted: a signal asked to stop; nothing is chosen.
    """
    options, images, comm, budget = config.options, loaded.images, job.comm, job.budget
    with (
        comm.collective_errors(),
        stopped_cleanly(run, images, job.graceful, comm.first),
        StopSignals(comm.size > 1) as stop,
    ):
        augment, choice = settle_views(
            options,
            config.method,
            images,
            loaded.rows,
            run,
            partial(untrained_backbone, device=job.device),
            comm,
            seconds=None if budget is None else budget.at_most(allowed_seconds(options)),
            clock=now if budget is None else budget.clock,
            signal=lambda: stop.number,
        )
        config = config.settled("short trainings with each" if choice else "preset", augment=augment)
        if comm.first and choice is not None:
            run.configure(config.method, config.options, job.command)
            run.update(views=choice.record())
    return config, choice


@contextmanager
def stopped_cleanly(run: RunFolder, images: Images, graceful: bool, first: bool = True) -> Iterator[None]:
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
        raise Interrupted(messages.before_training(run, images, number), number) from None


def _before_learning(
    run: RunFolder,
    images: Images,
    built: Built,
    options: TrainOptions,
    budget: Budget,
    first_page: FirstPage | None,
) -> None:
    """What a run with a budget shows before anything is learned, and how far it will look at what is."""
    record = run.status()
    extent = Extent.from_json(record.extent) if record.extent else extent_in(budget.seconds, built.backbone, images)
    run.update(extent=dataclasses.asdict(extent))
    if not options.snapshots:
        return
    snapshots(True, run.snapshots, images, None, options.seed, extent.followed).begin(0)
    if first_page is not None and not run.report.exists():
        seconds = max(_PAGE_LEAST, budget.share(_PAGE, _PAGE_MOST))
        tell(f"first page: {first_page(run, images, seconds)}")
    run.update(used=budget.used())
