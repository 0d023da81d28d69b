"""Run folders: what is where, records that are checked as they are read, a reader with patience. Without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lookalike.core.lazy_import import lazy_import

if TYPE_CHECKING:
    from lookalike.runs.folder import RunFolder, run_folders, writes
    from lookalike.runs.reader import Frame, RunReader, features_and_index, index_of

__all__ = ["Frame", "RunFolder", "RunReader", "features_and_index", "index_of", "run_folders", "writes"]

# imported when they are asked for: a command that lists runs begins without NumPy
_LAZY = {
    "Frame": "reader",
    "RunFolder": "folder",
    "RunReader": "reader",
    "features_and_index": "reader",
    "index_of": "reader",
    "run_folders": "folder",
    "writes": "folder",
}
__getattr__, __dir__ = lazy_import(__name__, _LAZY, globals())
