"""Everything at once: train, evaluate where there are labels, embed, group, write the page; says where it all is."""

from __future__ import annotations

import dataclasses
import shlex
from typing import TYPE_CHECKING

from lookalike.cli.commands.evaluate import show
from lookalike.cli.commands.train import parse_train, take_config
from lookalike.cli.explain import print_explanation, take_explain
from lookalike.cli.training import trained
from lookalike.core.budget import EVALUATION, FEATURES, GROUPS, now
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

    command = shlex.join(["lookalike", *words])
    with trained(DEFAULT, options, sources, command, begun, {FEATURES, EVALUATION, GROUPS}) as claimed:
        if claimed is None:
            return 0
        folder, wish = claimed
        _, options = api.options_of(folder)
        _say_skipped(folder, api.images_of(folder, options))
        wish = dataclasses.replace(wish, seed=options.seed, begun=begun, figures=_show_figures)
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
    return f"{finished.groups.k}, the column cluster of {index}; other numbers: lookalike cluster RUN --k K"
