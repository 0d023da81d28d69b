"""A training by a command: its budget, its pages, and its run folder, kept until all is done that comes after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from lookalike.cli.interrupts import CTRL_C
from lookalike.cli.page import Pages
from lookalike.core import machine
from lookalike.core.budget import PAGE, Budget
from lookalike.core.options import TrainOptions
from lookalike.runs.folder import RunFolder

if TYPE_CHECKING:  # help needs no PyTorch
    from lookalike.api import Wish


@contextmanager
def trained(
    method: str, options: TrainOptions, sources: Mapping[str, str], command: str, begun: float, tasks: set[str]
) -> Iterator[tuple[RunFolder, Wish] | None]:
    """Train, or go on with a run, whose folder is this process's as long as the context lasts.

    Args:
        method: its name.
        options: its options.
        sources: where those came from that were said.
        command: for the record.
        begun: when the command began, by `core/budget.py: now`.
        tasks: what comes after the training; a page does, too, where the options want one.

    Yields:
        The run folder and what is wanted of `api.finish`; None in processes beside the first one, which finishes runs.
    """
    from lookalike import api
    from lookalike.engine.distributed import first_process

    budget = Budget.from_text(options.budget, begun) if options.budget else None
    machine.prepare(options.threads)
    pages = Pages(options.threads) if options.report else None
    tasks = tasks if pages is None else tasks | {PAGE}
    with ExitStack() as held:
        folder = api.train(
            method,
            options,
            sources,
            command=command,
            budget=budget,
            then=tasks,
            first_page=None if pages is None else pages.first,
            graceful=True,
            held=held,
        )
        if not first_process():
            yield None
            return
        if folder.status().ended_at:
            CTRL_C.kill_next()  # as was promised when the training was ended
        yield folder, api.Wish(tasks, budget=budget, page=None if pages is None else pages.last)
