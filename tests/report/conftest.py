"""A run whose pages are looked at, and what opens pages in a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import Open, Opened
from lookalike.report.collect import collect
from lookalike.report.page import write_page
from lookalike.runs.folder import RunFolder
from small_runs import small_run


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A DeepCluster run with everything, to be read only. A page of it was made: its map takes most of the time."""
    run = small_run(tmp_path_factory.mktemp("runs") / "one")
    collect([run.path], threads=1)
    return run


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Writes and opens the page of an object; what was opened is closed at the end."""
    pages: list[Opened] = []

    def make(data: dict[str, Any], **context: Any) -> Opened:
        file = tmp_path / f"page {len(pages)}.html"
        write_page(data, file)
        pages.append(Opened(browser, file, reduced_motion="reduce", **context))
        return pages[-1]

    yield make
    for one in pages:
        one.close()
