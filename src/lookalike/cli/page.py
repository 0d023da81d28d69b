"""The page that commands end with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lookalike.core.errors import LookalikeError, MachineError
from lookalike.engine.run_folder import RunFolder

MOST = 20_000
"""Images of a page, where nobody says."""


def write_report(
    runs: Sequence[Path], out: Path | None = None, most: int = MOST, threads: int | None = None
) -> tuple[Path, dict]:
    """Write the page of these runs (`report/write.py` says how); its libraries are loaded here and not for `--help`."""
    from lookalike.report import write

    return write.write_report(runs, out, most, threads)


@contextmanager
def weights_are_saved(run: RunFolder) -> Iterator[None]:
    """What the machine refuses in here, after the training, is told with where the weights are."""
    try:
        yield
    except MachineError as error:
        raise MachineError(f"{error}\nThe training is done, and its weights are saved: {run.encoder}") from error


def report_line(run: RunFolder, threads: int | None = None) -> str:
    """Write the page of a run that has just ended, and say where it is; the run is worth more than its page."""
    try:
        return str(write_report([run.path], threads=threads)[0])
    except LookalikeError as error:
        return f"none: {error}"
