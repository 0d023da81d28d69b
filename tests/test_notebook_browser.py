"""What a notebook shows of a fitted estimator and of a run, in a real browser: the page in a frame, at work."""

from pathlib import Path
from typing import Any

import pytest
import sklearn

import lookalike
from lookalike import DeepCluster, SimCLR

pytestmark = pytest.mark.slow

QUICK: dict[str, Any] = {"epochs": 1, "width": 4, "batch_size": 20, "precision": "float32", "threads": 1}


class Notebook:
    """An outer page that holds what `_repr_html_` gave, opened from its file with the network off."""

    def __init__(self, browser: Any, shown: str, file: Path) -> None:
        file.write_text(f"<!doctype html><meta charset=utf-8><h1>A notebook</h1>{shown}", encoding="utf-8")
        self.file = file
        self.context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.said: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        self.page.goto(file.as_uri())

    def inner(self) -> Any:
        """The frame's page, once it is ready."""
        frame = self.page.frames[1]
        self.until(frame, "Boolean(window.lookalike && window.lookalike.ready)")
        return frame

    def until(self, frame: Any, condition: str) -> None:
        """Wait for a condition, ten seconds at the most."""
        for _ in range(500):
            if frame.evaluate(condition):
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"still not: {condition}")

    def well(self) -> None:
        """No complaint, and nothing asked for but the file itself and what is inside of it."""
        inside = ("data:", "blob:", "about:")
        assert [url for url in self.requests if url != self.file.as_uri() and not url.startswith(inside)] == []
        assert self.said == []


def test_a_fitted_estimator_shows_its_page(browser: Any, photos: Path, tmp_path: Path):
    model = DeepCluster(**QUICK, n_clusters=3)
    assert "sk-container" in model._repr_html_()  # scikit-learn's own picture, until there is something to show
    model.fit(photos)
    notebook = Notebook(browser, model._repr_html_(), tmp_path / "notebook.html")
    frame = notebook.inner()
    assert frame.evaluate("lookalike.state()")["errors"] == []
    assert frame.locator("h1").inner_text().startswith("DeepCluster on photos")
    assert frame.locator("#closest .thumb").count() > 20
    box = notebook.page.locator("iframe").bounding_box()
    assert box["height"] >= 800 and box["width"] > 1000
    thumb = frame.locator("#clusters .thumb, #clean .thumb, #closest .thumb").nth(5)
    image = int(thumb.get_attribute("data-image"))
    thumb.click()
    assert frame.evaluate("lookalike.state()")["query"] == image
    frame.locator("#sections a").last.click()  # a link within the page stays in the frame
    notebook.until(frame, "lookalike.ready && scrollY > 500")  # it glides there
    notebook.well()
    notebook.context.close()
    assert model.report().path.stat().st_size < 1_000_000


def test_a_run_shows_its_page_and_names_run_nothing(browser: Any, photo_run: Path, tmp_path: Path):
    notebook = Notebook(browser, lookalike.load(photo_run).report()._repr_html_(), tmp_path / "notebook.html")
    frame = notebook.inner()
    data = frame.evaluate("JSON.parse(document.getElementById('data').textContent)")
    assert any("onerror" in name for name in data["images"]["paths"])
    notebook.well()
    notebook.context.close()


def test_what_jupyter_asks_for(photos: Path):
    model = SimCLR(**QUICK)
    assert "sk-container" in model._repr_mimebundle_()["text/html"]
    model.fit(photos)
    shown = model._repr_mimebundle_()
    assert shown["text/plain"].startswith("SimCLR(") and shown["text/html"].startswith("<iframe")
    with sklearn.config_context(display="text"):
        assert "text/html" not in model._repr_mimebundle_()
        assert not hasattr(model, "_repr_html_")
