"""A run for other libraries: torchvision, timm, ONNX, embedding-atlas, TensorBoard, Hugging Face."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from lookalike.cli.parse import parse
from lookalike.core import machine, registry
from lookalike.core.errors import LookalikeError, did_you_mean
from lookalike.core.options import at_least
from lookalike.runs.folder import RunFolder

USAGE = "lookalike export RUN --to FORMAT"


@dataclass(kw_only=True)
class Export:
    """Write a run in the form that another library reads, check it by that library, and say what opens it.

    torchvision  encoder.safetensors, which its ResNets load strictly, and load.py
    timm         the same for timm's
    onnx         encoder.onnx: from uint8 images of any size and number to features
    atlas        atlas.parquet for embedding-atlas: map, nearest images, pictures
    tensorboard  the files of its projector, with pictures
    huggingface  a folder to upload: weights, configuration, model card, load.py
    """

    run: str = ""
    """Run folder."""
    to: str = ""
    """Format: torchvision, timm, onnx, atlas, tensorboard or huggingface."""
    out: str | None = None
    """Folder for the files; default: RUN/export/FORMAT."""
    images: int = 20_000
    """Images of atlas and tensorboard, at the most; of more, evenly spaced ones are taken."""
    json: bool = False
    """Print JSON: folder, files, checks, what opens them."""
    threads: int | None = None
    """CPU threads; default: all cores."""

    def problems(self) -> Iterator[str]:
        """Every value that cannot be, in words."""
        formats = registry.names("export")
        if not self.run:
            yield f"no run named: {USAGE}"
        if not self.to:
            yield f"no format named: --to {', '.join(formats)}"
        elif self.to not in formats:
            yield f"--to cannot be {self.to!r}: {did_you_mean(self.to, formats)}"
        yield from at_least(self, 1, "images", "threads")


def run(words: list[str]) -> int:
    """Export, and say what was written, what was checked and what opens it."""
    options = parse(Export, words, "lookalike export", ("run",), check=Export.problems).options
    folder = existing(options.run)
    from pathlib import Path

    from lookalike.export.base import export

    out = None if options.out is None else Path(options.out)
    machine.prepare(options.threads)
    exported = export(folder, options.to, out, most=options.images, threads=options.threads)
    if options.json:
        table = {
            "format": options.to,
            "folder": str(exported.folder),
            "files": exported.files,
            "checks": exported.checks,
            "notes": exported.messages,
            "opens": exported.snippet,
        }
        print(json.dumps(table, indent=2))
        return 0
    print(f"wrote {', '.join(exported.files)} into {exported.folder}")
    for sentence in exported.messages:
        print(sentence)
    print(f"\n{exported.snippet}")
    return 0


def existing(place: str) -> RunFolder:
    """The run folder that was named; a file gets words of its own, as weights may well be meant.

    Raises:
        LookalikeError: there is none. A file is not opened, whatever it is.
    """
    from pathlib import Path

    if Path(place).is_file():
        inside = Path(place).parent
        hint = f": lookalike export {inside} ..." if (inside / "config.toml").is_file() else ", which `train` wrote"
        raise LookalikeError(f"{place} is a file; an export is made of a run folder{hint}")
    return RunFolder.existing(place)
