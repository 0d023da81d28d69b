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
    """Write the page of these runs (`report/write.py` says how); its libraries are loaded here and not for `--help`."""
    from lookalike.report import write

    return write.write_report(runs, out, most, threads)


def report_line(run: RunFolder, threads: int | None = None) -> str:
    """Write the page of a run that has just ended, and say where it is; the run is worth more than its page."""
    try:
        return str(write_report([run.path], threads=threads)[0])
    except LookalikeError as error:
        return f"none: {error}"
