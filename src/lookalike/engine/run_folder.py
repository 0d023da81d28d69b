"""Where the run folder stood before the package `lookalike.runs`."""

from lookalike.runs.folder import RESERVED, RunFolder, run_folders, writes

__all__ = ["RESERVED", "RunFolder", "run_folders", "writes"]
