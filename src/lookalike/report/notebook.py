"""The page of a run as an object that a notebook shows, and a browser opens."""

from __future__ import annotations

import html
import webbrowser
from pathlib import Path

from lookalike.report.collect import collect
from lookalike.report.page import SINGLE_FILE, render
from lookalike.report.write import write_report
from lookalike.runs.folder import RunFolder

_HEIGHT = 800  # pixels of the frame in a notebook
_MADE_FROM = (
    "metrics.jsonl",
    "embeddings.npy",
    "index.csv",
    "clusters.json",
    "evaluation.json",
    "snapshots/index.json",
)


class Page:
    """A page that was written. Displayed in a notebook it shows itself in a frame."""

    def __init__(self, path: Path, run: RunFolder) -> None:
        self.path = path
        self._run = run  # a temporary run lives as long as it is held

    def __repr__(self) -> str:
        return f"<page {self.path}>"

    def open(self) -> bool:
        """Open it in the browser; False where there is none."""
        return webbrowser.open(self.path.resolve().as_uri())

    def html(self) -> str:
        """The page as text, in one piece also where its thumbnails lie in a folder beside it."""
        if (self.path.parent / self.path.stem).is_dir():
            return render(collect([self._run.path], SINGLE_FILE))
        return self.path.read_text(encoding="utf-8")

    def _repr_html_(self) -> str:
        # a frame of its own: notebooks suppress scripts and would mix up styles; it may run its scripts and save its
        # lists, and reach nothing of the notebook
        return (
            f'<iframe srcdoc="{html.escape(self.html())}" title="lookalike report" '
            'sandbox="allow-scripts allow-downloads" '
            f'style="width: 100%; height: {_HEIGHT}px; border: 1px solid #8886"></iframe>'
        )


def page_of(run: RunFolder, threads: int | None = None) -> Page:
    """The page of a run, written where it is absent or older than what it is made from.

    Raises:
        LookalikeError: the folder is gone, or the page cannot be written.
    """
    path = run.report
    times = [file.stat().st_mtime_ns for name in _MADE_FROM if (file := run.path / name).exists()]
    if not path.is_file() or path.stat().st_mtime_ns < max(times, default=0):
        write_report([run.path], threads=threads)
    return Page(path, run)
