"""The pages that commands write: one before learning, and the one that they end with."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lookalike.core.budget import Budget
from lookalike.core.errors import LookalikeError, MachineError
from lookalike.runs.folder import RunFolder

if TYPE_CHECKING:  # a page needs no PyTorch
    from lookalike.data.base import Images

_LEAST = 5.0

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


@contextmanager
def weights_are_saved(run: RunFolder) -> Iterator[None]:
    """What the machine refuses in here, after the training, is told with where the weights are."""
    try:
        yield
    except MachineError as error:
        raise MachineError(f"{error}\nThe training is done, and its weights are saved: {run.encoder}") from error


def report_line(run: RunFolder, threads: int | None = None, seconds: float | None = None) -> str:
    """Write the page of a run that has just ended, and say where it is; the run is worth more than its page.

    Args:
        run: the run folder.
        threads: for the map; default: all cores.
        seconds: that it may take; what does not fit is made smaller, and the page says so. None: as long as it takes.
    """
    try:
        return str(write_report([run.path], threads=threads, seconds=seconds)[0])
    except LookalikeError as error:
        return f"none: {error}"


def page_seconds(budget: Budget | None) -> float | None:
    """Seconds that the page at the end of a run may take; a few in any case. None: as many as it takes."""
    return None if budget is None else max(_LEAST, budget.left())


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
    return report_line(run, threads, left)
