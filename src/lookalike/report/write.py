"""The page of run folders, written where it belongs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lookalike.core.progress import phase
from lookalike.report.collect import collect
from lookalike.report.page import SINGLE_FILE, write_page

MOST = SINGLE_FILE
"""Images of a page, where nobody says."""


def write_report(
    runs: Sequence[Path],
    out: Path | None = None,
    most: int = MOST,
    threads: int | None = None,
    seconds: float | None = None,
) -> tuple[Path, dict[str, object]]:
    """Write the page of these runs; where it is, and what it was made of.

    Args:
        runs: run folders.
        out: the file; default: report.html in the run folder, or compare.html in the first of several.
        most: images shown.
        threads: for the map; default: all cores.
        seconds: that it may take: maps of fewer images at fewer moments where all of it would take longer, from rates
            that are measured as it runs. None: as long as it takes.

    Raises:
        LookalikeError: a folder is no run, the runs are of different images, or the file cannot be written.
    """
    with phase("writing the page"):
        data = collect(runs, most, threads, seconds)
        path = out or runs[0] / ("report.html" if len(runs) == 1 else "compare.html")
        write_page(data, path)
    return path, data
