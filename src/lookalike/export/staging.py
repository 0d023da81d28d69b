"""A folder whose files appear together, when all are made and checked."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lookalike.core.errors import LookalikeError
from lookalike.core.files import machine_faults, move_file
from lookalike.core.full_disk import is_full


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder`, whose files are moved into it at the end; none is, where anything fails.

    Files of the same names are replaced, all else in `folder` stays.

    Raises:
        LookalikeError: `folder` is a file.
        MachineError: it cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise LookalikeError(f"{folder} is a file; name a folder with --out")
    with machine_faults("write", folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with _full_disk(folder):
            yield work
        with machine_faults("write", folder):
            folder.mkdir(exist_ok=True)
            for path in sorted(work.iterdir()):
                move_file(path, folder / path.name)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _full_disk(folder: Path) -> Iterator[None]:
    """Formats write by libraries of their own, which know nothing of our words for a full disk."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        with machine_faults("write", folder):
            raise
