"""Everything at once: train, evaluate where there are labels, embed; says where everything is."""

from __future__ import annotations

import shlex

from lookalike.cli.commands.evaluate import show
from lookalike.cli.commands.train import parse_train, take_config

USAGE = "lookalike DIR"
_METHOD = "simclr"


def run(words: list[str]) -> int:
    """`lookalike DATA [options of train simclr]`."""
    config, words = take_config(words)
    parsed = parse_train(_METHOD, words, "lookalike", config)
    from lookalike import api

    folder = api.train(_METHOD, parsed.options, parsed.explicit, command=shlex.join(["lookalike", *words]))
    _, options = api.options_of(folder)
    images = api.images_of(folder, options)
    if images.skipped:
        print(f"skipped {len(images.skipped)} unreadable files: {folder.skipped}")
    if api.can_evaluate(images):
        if not folder.evaluation.exists():
            api.evaluate(folder, threads=options.threads)
        show(folder)
    else:
        print("no labels, so no accuracy: the verdict above is what can be said without them")
    if not folder.embeddings.exists():
        api.embed(folder, threads=options.threads)
    api.finish(folder)
    print(f"run:        {folder.path}")
    print(f"encoder:    {folder.encoder}")
    print(f"embeddings: {folder.embeddings} and {folder.index.name}, one row an image")
    if folder.evaluation.exists():
        print(f"evaluation: {folder.evaluation}")
    print(f"new images: lookalike embed {shlex.quote(str(folder.path))} DATA")
    return 0
