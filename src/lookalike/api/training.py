"""Training a network, or going on with a run: the phases, one after the other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path

from torch import nn

from lookalike.api.build import build, rebuild
from lookalike.api.configure import configure
from lookalike.api.fit import fit
from lookalike.api.load import load
from lookalike.api.records import default_run
from lookalike.api.starting import FirstPage, Job, choose_views, claim, introduce
from lookalike.core import machine
from lookalike.core.arithmetic import outside_autocast
from lookalike.core.budget import Budget
from lookalike.core.config import Config
from lookalike.core.earlier_names import also_called
from lookalike.core.options import TrainOptions, raise_problems
from lookalike.core.process import threads_kept
from lookalike.core.record_types import Record
from lookalike.data.base import Images
from lookalike.engine.distributed import join, own_device, processes_problems
from lookalike.engine.loggers import need_loggers
from lookalike.methods.base import Method
from lookalike.methods.find import find_method, name_of
from lookalike.runs.folder import RunFolder


@also_called("said", "sources")
@outside_autocast
@threads_kept()
def train(
    method: str | type[Method],
    options: TrainOptions,
    sources: Mapping[str, str] | Collection[str] | None = None,
    *,
    images: Images | None = None,
    encoder: nn.Module | None = None,
    command: str = "python",
    budget: Budget | None = None,
    then: Collection[str] = (),
    first_page: FirstPage | None = None,
    graceful: bool = False,
    held: ExitStack | None = None,
) -> RunFolder:
    """Train an encoder, or go on with a run that was interrupted.

    Args:
        method: a subclass of `Method`, or what `find_method` takes, such as a name of the methods room.
        options: that method's `Options`.
        sources: names of the options that were set on purpose, or such names with their sources (`core/config.py`);
            presets leave those alone. None means all of them.
        images: the data set, where it is not to be loaded from `options.data`.
        encoder: an untrained network of your own, [B, C, S, S] -> [B, D], instead of `options.encoder`.
        command: for the record.
        budget: the time of `options.budget`, where it has begun already; default: it begins now.
        then: what the caller does in that time after the training (`core/budget.py`: FEATURES, ...).
        first_page: writes the page of a run before its first step, in so many seconds, and says where it is; called
            where there is a budget.
        graceful: SIGINT ends the training, and the run is complete; else it is saved and Interrupted is raised.
        held: keeps the run folder to this process (`RunFolder.writing`) until it is closed; None: until the return.

    Returns:
        The run folder; its encoder.safetensors holds the trained encoder. Of several processes (torchrun) the first
        one writes it, and may still be writing when the others return.

    Raises:
        LookalikeError: anything the user can put right. Interrupted: a signal asked to stop.
    """
    asked = Config.asked(_name(method), options, sources)
    if budget is None and options.budget is not None:
        raise_problems(options.problems())
        budget = Budget.from_text(options.budget)
    machine.use_threads(options.threads)
    device = own_device(machine.resolve_device(options.device))
    comm = join(device)
    job = Job(device, comm, budget, frozenset(then), command, graceful, first_page)
    with ExitStack() as until_return:
        held = held or until_return
        with comm.collective_errors():
            need_loggers(options.log)
            if options.out is not None and comm.first:  # else its name is known when the images are
                held.enter_context(RunFolder(Path(options.out)).writing())
            loaded = load(asked, images, budget)
            run = RunFolder(Path(options.out or default_run(asked.method, loaded.images)))
            if comm.first:
                held.enter_context(run.writing())
            config = configure(
                asked, loaded.images, loaded.rows, pretrained=loaded.pretrained, encoder=encoder, earlier=earlier(run)
            )
            raise_problems(processes_problems(config.options, len(loaded.rows), comm))
            built = build(config, loaded, device, comm, encoder)
        begun = claim(run, config, loaded, built, job, held)
        if begun.done:
            return run
        if comm.first and not begun.resumed:
            introduce(run, config, loaded.images, built, job)
        decided, choice = choose_views(config, loaded, run, job)
        if decided is not config:
            built = rebuild(built, decided, loaded)
        return fit(decided, loaded, built, run, job, begun.resumed, choice).run


def decide(
    method: str | type[Method],
    options: TrainOptions,
    sources: Mapping[str, str] | Collection[str] | None = None,
    *,
    images: Images | None = None,
    encoder: nn.Module | None = None,
) -> Config[TrainOptions]:
    """The configuration that `train` with the same arguments would train with, and where each value comes from.

    Images are read; nothing is trained, and no run folder is made.

    Raises:
        LookalikeError: as `train` does before the first step.
    """
    asked = Config.asked(_name(method), options, sources)
    loaded = load(asked, images)
    run = RunFolder(Path(options.out or default_run(asked.method, loaded.images)))
    return configure(
        asked, loaded.images, loaded.rows, pretrained=loaded.pretrained, encoder=encoder, earlier=earlier(run)
    )


def _name(method: str | type[Method]) -> str:
    """The name that `find_method` finds a method by, which is there."""
    kind = find_method(method)
    return method if isinstance(method, str) else name_of(kind)


def earlier(run: RunFolder) -> Record:
    """config.toml of an earlier start of a run; empty where there was none."""
    return run.settings() if run.config.exists() else {}
