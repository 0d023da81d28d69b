"""Everything at once: train, evaluate where there are labels, embed, group, write the page; says where it all is."""

from __future__ import annotations

import dataclasses
import shlex
from contextlib import ExitStack
from typing import TYPE_CHECKING

from lookalike.cli.commands.evaluate import show
from lookalike.cli.commands.train import parse_train, take_config
from lookalike.cli.explain import print_explanation, take_explain
from lookalike.cli.interrupts import CTRL_C
from lookalike.cli.page import Pages
from lookalike.core import machine
from lookalike.core.budget import EVALUATION, FEATURES, GROUPS, PAGE, Budget, now
from lookalike.core.options import AUTO
from lookalike.core.words import counted
from lookalike.methods.roles import DEFAULT
from lookalike.runs.folder import RunFolder

if TYPE_CHECKING:  # help needs no PyTorch
    from lookalike.api import Finished
    from lookalike.data.base import Images

USAGE = "lookalike DIR"


def run(words: list[str]) -> int:
    """`lookalike DATA [options of the default method]`; the run folder is this process's until all is done."""
    begun = now()
    explain, words = take_explain(words)
    config, words = take_config(words)
    parsed = parse_train(DEFAULT, words, "lookalike", config)
    options, sources = parsed.options, parsed.sources
    if "augment" not in sources:
        options, sources = dataclasses.replace(options, augment=AUTO), {**sources, "augment": USAGE}
    if explain:
        return print_explanation(DEFAULT, options, sources)
    from lookalike import api
    from lookalike.engine.distributed import first_process

    budget = Budget.of(options.budget, begun) if options.budget else None
    machine.prepare(options.threads)
    pages = Pages(options.threads) if options.report else None
    tasks = {FEATURES, EVALUATION, GROUPS} | (set() if pages is None else {PAGE})
    with ExitStack() as held:
        folder = api.train(
            DEFAULT,
            options,
            sources,
            command=shlex.join(["lookalike", *words]),
            budget=budget,
            then=tasks,
            first_page=None if pages is None else pages.first,
            graceful=True,
            held=held,
        )
        if not first_process():
            return 0
        if folder.status().get("ended_at"):
            CTRL_C.kill_next()  # as was promised when the training was ended
        _, options = api.options_of(folder)
        _say_skipped(folder, api.images_of(folder, options))
        page = None if pages is None else pages.last
        wish = api.Wish(tasks, seed=options.seed, budget=budget, begun=begun, page=page, figures=_show_figures)
        finished = api.finish(folder, wish, threads=options.threads)
    print(f"run:        {folder.path}")
    print(f"encoder:    {folder.encoder}")
    print(f"embeddings: {folder.embeddings} and {folder.index.name}, one row an image")
    print(f"groups:     {_groups_line(finished)}")
    if folder.evaluation.exists():
        print(f"evaluation: {folder.evaluation}")
    if finished.page:
        print(f"report:     {finished.page}")
    print(f"new images: lookalike embed {shlex.quote(str(folder.path))} DATA")
    return 0


def _say_skipped(folder: RunFolder, images: Images) -> None:
    if images.skipped:
        many = counted(len(images.skipped), "file")
        print(f"skipped:    {many}, the reasons are in {folder.skipped}")


def _show_figures(folder: RunFolder) -> None:
    """The table of the evaluation, before what takes longer."""
    if folder.evaluation.exists():
        show(folder)
    else:
        print("no labels, so no accuracy: the verdict above is what can be said without them")


def _groups_line(finished: Finished) -> str:
    """What to say of the groups."""
    if finished.groups is None:
        return f"none: {finished.no_groups}"
    index = finished.run.index.name
    return f"{finished.groups['k']}, the column cluster of {index}; other numbers: lookalike cluster RUN --k K"
