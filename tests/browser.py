"""Opens pages in a headless Chromium, offline, and keeps what they ask for and complain about."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; the test skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
    path = next((found for found in map(shutil.which, NAMES) if found), None)
    if path is None:
        pytest.skip("no chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


class Opened:
    """A page that was opened from its file: `page` is Playwright's."""

    def __init__(self, browser: Any, file: Path, width: int = 1600, height: int = 1000, **context: Any) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, offline=True, accept_downloads=True, **context
        )
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.file = file
        self.page.goto(file.as_uri())
        self.until("Boolean(window.lookalike && window.lookalike.ready)")

    def state(self) -> dict[str, Any]:
        """What the page says it shows."""
        return self.page.evaluate("lookalike.state()")

    def ask(self, expression: str, *arguments: Any) -> Any:
        """The value of an expression of the page's script."""
        return self.page.evaluate(expression, *arguments)

    def until(self, condition: str, seconds: float = 20) -> None:
        """Wait for a condition; asked from here, as the page's policy lets nobody evaluate text within it."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"still not: {condition}"
            self.page.wait_for_timeout(20)

    def where(self, image: int, number: int = 0) -> tuple[float, float]:
        """Where an image is on the screen, on a map that is scrolled into view."""
        self.page.locator("canvas.points").nth(number).scroll_into_view_if_needed()
        x, y = self.ask(f"lookalike.where({image}, {number})")
        return x, y

    def beyond(self) -> list[str]:
        """Requests for anything but the page itself and what is part of it."""
        return [url for url in self.requests if url != self.file.as_uri() and not url.startswith(("data:", "blob:"))]

    def well(self) -> None:
        """Nothing was asked of a network, nothing was complained about, no part failed."""
        assert self.beyond() == []
        assert self.complaints == []
        assert self.state()["errors"] == []

    def close(self) -> None:
        """Close it."""
        self.context.close()


Open = Callable[..., Opened]
"""Writes the page of an object and opens it."""
