"""A run folder that lives as long as the estimator whose run it holds."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path


class TemporaryFolder:
    """A folder that goes when this object does, at the end of the process at the latest."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="lookalike-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
