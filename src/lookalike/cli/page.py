"""The page that commands end with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lookalike.core.errors import LookalikeError
from lookalike.engine.run_folder import RunFolder

MOST = 20_000
"""Images of a page, where nobody says."""


def write_report(
    runs: Sequence[Path], out: Path | None = None, most: int = MOST, threads: int | None = None
) -> tuple[Path, dict]:
    """Write the page of these runs; where it is, and what it was made of.

    Args:
        runs: run folders.
        out: the file; default: report.html in the run folder, or compare.html in the first of several.
        most: images shown.
        threads: for the map; default: all cores.

    Raises:
        LookalikeError: a folder is no run, the runs are of different images, or the file cannot be written.
    """
    from lookalike.report.collect import collect
    from lookalike.report.page import write_page

    data = collect(runs, most, threads)
    path = out or (RunFolder(runs[0]).report if len(runs) == 1 else runs[0] / "compare.html")
    write_page(data, path)
    return path, data


def report_line(run: RunFolder, threads: int | None = None) -> str:
    """Write the page of a run that has just ended, and say where it is; the run is worth more than its page."""
    try:
        return str(write_report([run.path], threads=threads)[0])
    except LookalikeError as error:
        return f"none: {error}"
