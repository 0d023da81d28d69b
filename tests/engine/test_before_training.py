"""What comes before the first step, in a run with a budget: the first page, choosing views, and stopping there."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from fakes import tiny_options
from lookalike import api
from lookalike.api import starting
from lookalike.core.budget import Budget
from lookalike.core.errors import Interrupted
from lookalike.core.options import AUTO
from lookalike.core.progress import Phase, listening
from lookalike.data.base import Images
from lookalike.data.loading import load
from lookalike.runs.folder import RunFolder

EXPLICIT = {"batch_size", "budget", "width", "encoder", "head_size", "threads", "out", "image_size", "norm", "augment"}


class Heard:
    """Lines that were said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, phase: Phase) -> None: ...

    def end(self, phase: Phase) -> None: ...

    def line(self, text: str, passing: bool) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def images() -> Images:
    found = load("digits")
    return found.of_rows(found.training[:300])


class Pages:
    """Stands in for what writes the first page."""

    def __init__(self) -> None:
        self.asked: list[tuple[RunFolder, float]] = []

    def __call__(self, run: RunFolder, images: Images, seconds: float) -> str:
        self.asked.append((run, seconds))
        assert run.config.exists()
        assert run.index.exists()
        assert (run.snapshots / "thumbs.json").exists()
        run.report.write_text("before", encoding="utf-8")
        return str(run.report)


def start(out: Path, images: Images, pages: Pages, seconds: float = 3.0) -> RunFolder:
    options = tiny_options(
        "simclr",
        data="digits",
        batch_size=64,
        budget=f"{seconds:g}s",
        threads=1,
        out=str(out),
        image_size=None,
        lr=None,
        augment=AUTO,
    )
    budget = Budget.from_text(options.budget)
    return api.train("simclr", options, EXPLICIT, images=images, budget=budget, first_page=pages, graceful=True)


def test_the_first_page_comes_before_views_are_chosen_and_once(
    tmp_path: Path, images: Images, monkeypatch: pytest.MonkeyPatch
):
    out, pages, heard = tmp_path / "run", Pages(), Heard()
    kept = starting.settle_views

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(starting, "settle_views", interrupted)
    with (
        listening(heard),
        pytest.raises(Interrupted, match="SIGINT before the first step; kept: the run folder") as told,
    ):
        start(out, images, pages)
    assert "the page" in str(told.value)
    assert f"lookalike train --config {out / 'config.toml'}" in str(told.value)
    assert f"first page: {out / 'report.html'}" in heard.lines
    assert RunFolder(out).status().status == "interrupted"
    assert RunFolder(out).settings()["augment"] == AUTO
    used = RunFolder(out).status().used

    monkeypatch.setattr(starting, "settle_views", kept)
    run = start(out, images, pages)
    assert len(pages.asked) == 1  # it is there already
    assert 0 < pages.asked[0][1] <= 4
    assert run.settings()["augment"] != AUTO
    assert run.status().views["chosen"] == run.settings()["augment"]
    assert run.status().status == "trained"
    assert run.status().used > used


def test_a_signal_while_views_are_chosen_stops_and_keeps_the_run(
    tmp_path: Path, images: Images, monkeypatch: pytest.MonkeyPatch
):
    def signalled(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise Interrupted("while choosing", signal.SIGTERM)

    monkeypatch.setattr(starting, "settle_views", signalled)
    with pytest.raises(Interrupted, match="SIGTERM before the first step") as told:
        start(tmp_path / "run", images, Pages())
    assert told.value.exit_status == 128 + signal.SIGTERM
    assert RunFolder(tmp_path / "run").status().status == "interrupted"


def test_from_python_ctrl_c_is_what_it_is(tmp_path: Path, images: Images, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(starting, "settle_views", interrupted)
    options = tiny_options("simclr", data="digits", batch_size=64, epochs=1, out=str(tmp_path / "run"), image_size=None)
    with pytest.raises(KeyboardInterrupt) as told:
        api.train("simclr", options, images=images)
    assert not isinstance(told.value, Interrupted)


def test_without_a_budget_there_is_one_page(tmp_path: Path, images: Images):
    pages = Pages()
    options = tiny_options("simclr", data="digits", batch_size=64, epochs=1, out=str(tmp_path / "run"), image_size=None)
    api.train("simclr", options, images=images, first_page=pages)
    assert not pages.asked


def test_an_evaluation_of_a_sample_says_so(tmp_path: Path):
    options = tiny_options("simclr", data="digits", batch_size=64, epochs=0, out=str(tmp_path / "run"), image_size=None)
    run = api.train("simclr", options)
    found = api.evaluate(run, most=600)
    protocol = found["protocol"]
    assert 590 <= protocol["learning_rows"] + protocol["test_rows"] <= 610
    assert protocol["sample_of"]["learning_rows"] + protocol["sample_of"]["test_rows"] == 1797
    assert 0.3 < found["knn"] <= 1
    assert 0.9 < found["pixels.knn"] <= 1
    assert "sample_of" not in api.evaluate(run, most=1797, baselines=False)["protocol"]
