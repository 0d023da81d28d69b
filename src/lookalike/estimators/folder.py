"""A run folder for those who asked for none."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path

from lookalike.runs.folder import RunFolder


class TemporaryRun(RunFolder):
    """A run in a temporary folder, which goes when this object does, at the end of the process at the latest."""

    def __init__(self) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="lookalike-")))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
