"""What opens pages in a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import Open, Opened
from lookalike.report.page import write_page


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
