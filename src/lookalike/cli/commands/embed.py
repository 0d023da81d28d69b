"""Features of any images by a trained network, as embeddings.npy and index.csv."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lookalike.cli.parse import parse
from lookalike.core import machine
from lookalike.core.load_options import LoadOptions, said_load_options
from lookalike.core.options import at_least
from lookalike.runs.folder import RunFolder

USAGE = "lookalike embed RUN DATA"


@dataclass(kw_only=True)
class Embed(LoadOptions):
    """Write the features of images: float32 [N, D] in file order, and an index with a row for each."""

    run: str = ""
    """Run folder."""
    data: str | tuple[str, ...] = ""
    """Images: folders, image files, lists, archives, FILE.npy, digits, mnist:DIR, cifar10:DIR or hf:NAME;
    default: those of the run."""
    out: str | None = None
    """Folder for the files; default: RUN/embeddings/NAME, or RUN itself for its own images."""
    device: str = "auto"
    """cpu, cuda, mps or auto."""
    threads: int | None = None
    """CPU threads; default: all cores."""

    def problems(self) -> Iterator[str]:
        """Every value that cannot be, in words."""
        if not self.run:
            yield f"no run named: {USAGE}"
        yield from at_least(self, 1, "threads")
        yield from super().problems()


def run(words: list[str]) -> int:
    """Embed and say where the files are."""
    parsed = parse(Embed, words, "lookalike embed", ("run", "data"), check=Embed.problems)
    options, load_options = parsed.options, said_load_options(parsed.options, parsed.sources)
    folder = RunFolder.existing(options.run)
    from lookalike import api

    out = Path(options.out) if options.out else None
    machine.prepare(options.threads)
    place = api.embed(
        folder,
        options.data or None,
        out=out,
        device=options.device,
        threads=options.threads,
        load_options=load_options,
    )
    print(f"wrote {place / 'embeddings.npy'} and {place / 'index.csv'}")
    return 0
