"""Classes of any images, by a run that learned from labels."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lookalike.cli.parse import parse
from lookalike.core import machine
from lookalike.core.load_options import LoadOptions, said_load_options
from lookalike.core.options import at_least
from lookalike.core.words import counted
from lookalike.runs.folder import RunFolder

USAGE = "lookalike predict RUN DATA"
_SHOWN = 12  # classes listed by size, at the most


@dataclass(kw_only=True)
class Predict(LoadOptions):
    """Write the class of each image and its probability, by a run of `finetune` or `train supervised`."""

    run: str = ""
    """Run folder."""
    data: str | tuple[str, ...] = ""
    """Images: folders, image files, lists, archives, FILE.npy, digits, mnist:DIR, cifar10:DIR or hf:NAME."""
    out: str | None = None
    """The file; default: RUN/predictions/NAME.csv."""
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
        elif not self.data:
            yield f"no images named: {USAGE}"
        yield from at_least(self, 1, "threads")
        yield from super().problems()


def run(words: list[str]) -> int:
    """Predict and say where the file is."""
    parsed = parse(Predict, words, "lookalike predict", ("run", "data"), check=Predict.problems)
    options, load_options = parsed.options, said_load_options(parsed.options, parsed.sources)
    folder = RunFolder.existing(options.run)
    from lookalike import api

    out = Path(options.out) if options.out else None
    machine.prepare(options.threads)
    predictions = api.predict(
        folder,
        options.data,
        out=out,
        device=options.device,
        threads=options.threads,
        load_options=load_options,
    )
    counts = Counter(predictions.names)
    accuracy = predictions.accuracy()
    if options.json:
        summary = {
            "file": str(predictions.file),
            "images": len(predictions.names),
            "counts": counts,
            "accuracy": accuracy,
        }
        print(json.dumps(summary, indent=2))
        return 0
    largest = ", ".join(f"{name} {count:,}" for name, count in counts.most_common(_SHOWN))
    print(f"{counted(len(predictions.names), 'image')}: {largest}" + (", ..." if len(counts) > _SHOWN else ""))
    if accuracy is not None:
        print(f"of those that have labels, {accuracy:.1%} are called what they are")
    print(f"wrote {predictions.file}")
    return 0
