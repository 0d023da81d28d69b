"""Everything at once: train, evaluate where there are labels, embed, group, write the page; says where it all is."""

from __future__ import annotations

import dataclasses
import math
import shlex
from contextlib import ExitStack
from functools import partial

from lookalike.cli.commands.evaluate import show
from lookalike.cli.commands.train import parse_train, take_config
from lookalike.cli.interrupts import CTRL_C
from lookalike.cli.page import first_page, page_seconds, report_line, weights_are_saved
from lookalike.core import machine
from lookalike.core.budget import EVALUATION, FEATURES, GROUPED, GROUPS, PAGE, Budget, now
from lookalike.core.durations import timed
from lookalike.core.errors import LookalikeError
from lookalike.core.files import read_json
from lookalike.core.options import AUTO
from lookalike.core.words import counted
from lookalike.engine.run_folder import RunFolder
from lookalike.methods.roles import DEFAULT

USAGE = "lookalike DIR"


def run(words: list[str]) -> int:
    """`lookalike DATA [options of the default method]`; the run folder is this process's until all is done."""
    with ExitStack() as held:
        return _run(words, held)


def _run(words: list[str], held: ExitStack) -> int:
    begun = now()
    config, words = take_config(words)
    parsed = parse_train(DEFAULT, words, "lookalike", config)
    from lookalike import api
    from lookalike.core.ranks import ALONE
    from lookalike.engine.distributed import first_process

    options, explicit = parsed.options, parsed.explicit
    if "augment" not in explicit:
        options, explicit = dataclasses.replace(options, augment=AUTO), explicit | {"augment"}
    budget = Budget.of(parsed.options.budget, begun) if parsed.options.budget else None
    machine.prepare(options.threads)
    command = shlex.join(["lookalike", *words])
    then = {FEATURES, EVALUATION, GROUPS, *([PAGE] if options.report else [])}
    folder = api.train(
        DEFAULT,
        options,
        explicit,
        command=command,
        budget=budget,
        then=then,
        first_page=partial(first_page, threads=options.threads) if options.report else None,
        graceful=True,
        held=held,
    )
    if not first_process():
        return 0
    if folder.status().get("ended_at"):
        CTRL_C.kill_next()  # as was promised when the training was ended
    held.enter_context(weights_are_saved(folder))
    _, options = api.options_of(folder)
    images = api.images_of(folder, options)
    if images.skipped:
        many = counted(len(images.skipped), "file")
        print(f"skipped:    {many}, the reasons are in {folder.skipped}")
    measured = folder.evaluation.exists() or not api.can_evaluate(images)
    features = (
        None if measured and folder.embeddings.exists() else api.features_of(folder, images, threads=options.threads)
    )
    if api.can_evaluate(images):
        if not measured:  # by this process alone: the others are done
            most = None if budget is None else folder.status().get("budget", {}).get("evaluated")
            api.evaluate(folder, images=images, threads=options.threads, ranks=ALONE, features=features, most=most)
        show(folder)
    else:
        print("no labels, so no accuracy: the verdict above is what can be said without them")
    if not folder.embeddings.exists():
        api.embed(folder, threads=options.threads, images=images, features=features)
    groups, grouping = timed(lambda: _groups(folder, options.seed, budget))
    api.finish(folder)
    page, writing = "", 0.0
    if parsed.options.report:
        page, writing = timed(lambda: report_line(folder, options.threads, page_seconds(budget)))
    folder.update(seconds={"cluster": grouping, "report": writing, "all": now() - begun})
    if budget is not None:
        folder.update(used=budget.used())
    print(f"run:        {folder.path}")
    print(f"encoder:    {folder.encoder}")
    print(f"embeddings: {folder.embeddings} and {folder.index.name}, one row an image")
    print(f"groups:     {groups}")
    if folder.evaluation.exists():
        print(f"evaluation: {folder.evaluation}")
    if page:
        print(f"report:     {page}")
    print(f"new images: lookalike embed {shlex.quote(str(folder.path))} DATA")
    return 0


def _groups(folder: RunFolder, seed: int, budget: Budget | None) -> str:
    """Group the images, unless that was done before; what to say of it."""
    from lookalike.engine.grouping import AUTO, group_run

    end = None if budget is None else budget.used() + budget.share(GROUPED)

    def left() -> float:
        return math.inf if budget is None or end is None else end - budget.used()

    try:
        if folder.clusters.exists():
            found = read_json(folder.clusters)
        else:
            found = group_run(folder, AUTO, "kmeans", seed, left=left)
    except LookalikeError as error:  # collapsed features have no groups; all else of the run is there
        return f"none: {error}"
    return f"{found['k']}, the column cluster of {folder.index.name}; other numbers: lookalike cluster RUN --k K"
