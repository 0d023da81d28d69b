"""The pages that commands write: one before learning, and the one that they end with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lookalike.core.errors import LookalikeError
from lookalike.runs.folder import RunFolder

if TYPE_CHECKING:  # a page needs no PyTorch
    from lookalike.data.base import Images

MOST = 20_000
"""Images of a page, where nobody says."""


def write_report(
    runs: Sequence[Path],
    out: Path | None = None,
    most: int = MOST,
    threads: int | None = None,
    seconds: float | None = None,
) -> tuple[Path, dict]:
    """Write the page of these runs (`report/write.py` says how); its libraries are loaded here and not for `--help`."""
    from lookalike.report import write

    return write.write_report(runs, out, most, threads, seconds)


def report_line(run: RunFolder, seconds: float | None = None, threads: int | None = None) -> str:
    """Write the page of a run that has just ended, and say where it is; the run is worth more than its page.

    Args:
        run: the run folder.
        seconds: that it may take; what does not fit is made smaller, and the page says so. None: as long as it takes.
        threads: for the map; default: all cores.
    """
    try:
        return str(write_report([run.path], threads=threads, seconds=seconds)[0])
    except LookalikeError as error:
        return f"none: {error}"


def first_page(run: RunFolder, images: Images, seconds: float | None, threads: int | None = None) -> str:
    """Write the page of a run before its first step, from its images alone, and say where it is.

    It shows the survey, the map of pixels, and copies; the page of the end replaces it. What the run folder lacks
    (snapshots, say) is left out, and the page says so.

    Args:
        run: a run folder that was claimed; its snapshots were begun, unless there are none.
        images: of the run.
        seconds: that it may take; what does not fit is made smaller. None: as long as it takes.
        threads: for the map; default: all cores.
    """
    from lookalike.api.records import keep_survey

    begun = time.monotonic()
    try:
        keep_survey(run, images)
    except LookalikeError as error:
        return f"none: {error}"
    left = None if seconds is None else max(0.0, seconds - (time.monotonic() - begun))
    return report_line(run, left, threads)


@dataclass(frozen=True)
class Pages:
    """The two pages of a run: before its first step, and at its end."""

    threads: int | None = None
    """For their maps; default: all cores."""

    def first(self, run: RunFolder, images: Images, seconds: float) -> str:
        """Write the first one, and say where it is."""
        return first_page(run, images, seconds, self.threads)

    def last(self, run: RunFolder, seconds: float | None) -> str:
        """Write the last one, and say where it is."""
        return report_line(run, seconds, self.threads)
