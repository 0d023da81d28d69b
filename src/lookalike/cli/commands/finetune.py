"""Train a run on with a share of the labels, beside training from scratch."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lookalike.cli.parse import parse
from lookalike.core import machine
from lookalike.core.files import read_json
from lookalike.core.load_options import LoadOptions, said_load_options
from lookalike.core.options import at_least
from lookalike.core.words import counted
from lookalike.runs.folder import RunFolder

USAGE = "lookalike finetune RUN DATA"


@dataclass(kw_only=True)
class Finetune(LoadOptions):
    """Train a run's network on with few labels, and the same network from scratch with the same ones.

    SimCLR's schedule (appendix B.5): 60 epochs for up to 1 % of the labels, 30 for up to 10 %, else 15. Then the
    labels are spread to the other training images along the features of what was trained, and the run's network is
    trained on with all of these. From scratch has the labels alone.
    The same command again goes on where it was stopped.
    """

    run: str = ""
    """Run folder."""
    data: str | tuple[str, ...] = ""
    """Images with labels: folders, lists, archives, FILE.npz, digits, mnist:DIR, cifar10:DIR; default: the run's."""
    fraction: float = 0.01
    """Share of the labels to learn from, drawn class by class: 0.01, 0.1 or 1."""
    out: str | None = None
    """Folder of the new run; default: RUN-finetuned-FRACTION."""
    scratch: bool = True
    """Train from scratch as well, for comparison."""
    unlabelled: bool = True
    """Learn from the other training images too, where labels left out are guessed right; test images take no part."""
    seed: int = 0
    """Seed of the drawing, of the classifier and of the views."""
    epochs: int | None = None
    """Passes over the images learned from; default: by the fraction, and over all images two at the least."""
    batch_size: int | None = None
    """Images per step; default: up to 256, at least eight steps an epoch."""
    lr: float = 0.05
    """Learning rate, times batch / 256."""
    json: bool = False
    """Print JSON instead of lines."""
    device: str = "auto"
    """cpu, cuda, mps or auto."""
    threads: int | None = None
    """CPU threads; default: all cores."""

    def problems(self) -> Iterator[str]:
        """Every value that cannot be, in words."""
        if not self.run:
            yield f"no run named: {USAGE}"
        if not 0 < self.fraction <= 1:
            yield f"--fraction must be in (0, 1], got {self.fraction}: 0.01 is 1 % of the labels"
        if not self.lr > 0:
            yield f"--lr must be positive, got {self.lr}"
        yield from at_least(self, 1, "epochs", "threads")
        yield from at_least(self, 2, "batch_size")
        yield from at_least(self, 0, "seed")
        yield from super().problems()


def run(words: list[str]) -> int:
    """Fine-tune, and print what it gave."""
    parsed = parse(Finetune, words, "lookalike finetune", ("run", "data"), check=Finetune.problems)
    options, load_options = parsed.options, said_load_options(parsed.options, parsed.sources)
    folder = RunFolder.existing(options.run)
    from lookalike import api

    machine.prepare(options.threads)
    tuned = api.finetune(
        folder,
        options.data,
        fraction=options.fraction,
        out=Path(options.out) if options.out else None,
        schedule=api.Schedule(epochs=options.epochs, batch_size=options.batch_size, lr=options.lr, seed=options.seed),
        scratch=options.scratch,
        unlabelled=options.unlabelled,
        device=options.device,
        threads=options.threads,
        load_options=load_options,
        command=shlex.join(["lookalike", "finetune", *words]),
    )
    if options.json:
        print(json.dumps(read_json(tuned.evaluation), indent=2))
        return 0
    show(tuned)
    print(f"predictions: {tuned.predictions}")
    print(f"of others:   lookalike predict {shlex.quote(str(tuned.path))} DATA")
    return 0


def show(folder: RunFolder) -> None:
    """Both accuracies, in a line each."""
    result = read_json(folder.evaluation)["finetune"]
    print(
        f"accuracy on {counted(result['test_rows'], 'test image')}, learned from {counted(result['labels'], 'label')} "
        f"({result['fraction']:.3g} of them; seed {result['seed']})"
    )
    if result.get("spread"):
        print(f"  and from {counted(result['spread'], 'other image')}, whose labels were spread from these")
    for title, key in (
        ("fine-tuned", "finetuned"),
        ("fine-tuned, labels alone", "labels_only"),
        ("from scratch, labels alone", "scratch"),
    ):
        if result.get(key) is not None:
            print(f"  {title:<26}  {result[key]:.2%}")
