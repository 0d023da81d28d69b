"""The page of a run, or of several side by side: one file that opens without a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lookalike.cli.page import MOST, write_report
from lookalike.cli.parse import parse
from lookalike.core import machine
from lookalike.core.options import at_least

USAGE = "lookalike report RUN [RUN...]"


@dataclass(kw_only=True)
class Report:
    """Write report.html: verdict, nearest images, map, groups, duplicates, curves. Needs no PyTorch."""

    run: tuple[str, ...] = ()
    """Run folders; several must be of the same images."""
    out: str | None = None
    """File to write; default: report.html in the run folder, compare.html in the first of several."""
    max_thumbs: int = MOST
    """Images shown, at the most; above 20,000 thumbnails lie in a folder beside the file."""
    matplotlib: str | None = None
    """Write the curves and maps as PNG and PDF into this folder as well."""
    threads: int | None = None
    """CPU threads; default: all cores."""

    def problems(self) -> Iterator[str]:
        """Every value that cannot be, in words."""
        if not self.run:
            yield "no run named: lookalike report RUN [RUN...]"
        yield from at_least(self, 1, "max_thumbs", "threads")


def run(words: list[str]) -> int:
    """Write the page and say where it is."""
    options = parse(Report, words, "lookalike report", ("run",), check=Report.problems).options
    from pathlib import Path

    if options.matplotlib is not None:
        from lookalike.report.figures import need_matplotlib

        need_matplotlib()  # before the work, not after it
    out = None if options.out is None else Path(options.out)
    machine.prepare(options.threads)
    path, data = write_report([Path(name) for name in options.run], out, options.max_thumbs, options.threads)
    for sentence in data["missing"]:
        print(f"not on the page: {sentence}")
    print(f"report: {path}")
    if options.matplotlib is not None:
        from lookalike.report.figures import write_figures

        for figure in write_figures(data, Path(options.matplotlib)):
            print(f"figure: {figure}")
    return 0
