"""What fits into the time of a page: with made clocks and rates, and on a small run."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser import Open
from lookalike.evaluate import map_pace
from lookalike.evaluate.map import aligned_maps
from lookalike.evaluate.map_pace import MapPace, measure_paces
from lookalike.report import reduced as module
from lookalike.report.cleaning import _fitting
from lookalike.report.collect import collect
from lookalike.report.packing import unpacked
from lookalike.report.reduced import reduced
from lookalike.report.time_limit import NO_LIMIT, TimeLimit
from lookalike.report.timeline import Timeline
from lookalike.runs.folder import RunFolder
from lookalike.runs.reader import Frame, RunReader


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_time_is_left_until_its_end():
    clock = Clock()
    limit = TimeLimit.after(10, clock)
    assert limit.left() == 10 and limit.planned() == pytest.approx(6) and limit.planned(0.8) == pytest.approx(8)
    share = limit.share(0.5)
    clock.now += 5
    assert share.is_past() and not limit.is_past()
    clock.now += 50
    assert limit.left() == 0 and limit.is_past()
    assert NO_LIMIT.left() == float("inf") and not NO_LIMIT.is_past() and NO_LIMIT.share(0.1) is NO_LIMIT


@pytest.mark.parametrize(
    ("power", "seconds", "expected"), [(1, 1000.0, 5000), (1, 10.0, 1800), (2, 10.0, 734), (2, 0.0, 0)]
)
def test_so_many_fit(power: int, seconds: float, expected: int):
    clock = Clock()

    def work(at: np.ndarray) -> None:
        assert len(at) == 300
        clock.now += 1

    end = TimeLimit(clock.now + 2 + seconds, clock)
    assert _fitting(5000, power, end, work) == expected
    assert _fitting(5000, power, NO_LIMIT, work) == 5000


def timeline(tmp_path: Path, images: int, networks: int) -> Timeline:
    """Frames of pixels, of an untrained network and of so many moments of training."""
    for name in ("config.toml", "run.json"):
        (tmp_path / name).write_text("{}" if name.endswith("json") else "")
    kinds = ["pixels", "untrained", *["network"] * networks]
    x_ND = np.random.default_rng(0).normal(size=(images, 4)).astype(np.float16)
    frames = [Frame(kind, i, i, x_ND, np.arange(images)) for i, kind in enumerate(kinds)]
    rows = np.arange(images)
    return Timeline(RunReader(tmp_path), rows + 7, rows, frames)


PACE = MapPace(1, {4: 1e-7}, 2e-4, 0.0, 1e-5, 1000)
"""Of a map of 1,000 images: 4.3 s for the first moment, and 1.55 s for each further one."""
SLOWER = MapPace(2, {4: 1e-7}, 2e-4, 0.1, 1e-5, 1000)
"""Two threads that wait for each other."""


@pytest.mark.parametrize(
    ("seconds", "images", "moments"),
    [
        (1000, 5000, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        (101.25, 3039, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        (40.5, 2080, [0, 1, 2, 4, 6, 8, 11]),
        (27, 2482, [0, 1, 11]),
        (2.2275, 311, [1, 11]),
        (0.675, 128, [11]),
        (0.0675, 5000, []),
    ],
)
def test_moments_and_images_are_given_up_by_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, images: int, moments: list[int]
):
    monkeypatch.setattr(module, "measure_paces", lambda *_: [SLOWER, PACE])
    monkeypatch.setattr(module, "_LEAST", 0)
    time, clock = timeline(tmp_path, 5000, 10), Clock()
    found, threads = reduced(time, TimeLimit.after(seconds, clock), 2)
    assert threads == (1 if moments else 2)
    assert [frame.epoch for frame in found.frames] == moments
    assert len(found.rows) == images
    assert PACE.seconds(images, [4] * len(moments)) <= seconds * 0.8 or not moments
    assert all(len(frame.features_ND) == len(frame.clusters_N) == images for frame in found.frames)
    assert (found.rows == found.places + 7).all()
    assert all((frame.clusters_N == found.places).all() for frame in found.frames)


def test_without_a_limit_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "measure_paces", None)
    time = timeline(tmp_path, 50, 2)
    assert reduced(time, NO_LIMIT, 3) == (time, 3)


def test_a_pace_is_measured_by_the_clock_that_is_given(monkeypatch: pytest.MonkeyPatch):
    x_ND = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    clock = Clock()
    nearest = map_pace.nearest_rows

    def slow(x: np.ndarray, k: int) -> Any:
        clock.now += 0.5
        return nearest(x, k)

    monkeypatch.setattr(map_pace, "nearest_rows", slow)
    one, two = measure_paces(x_ND, {8: x_ND}, 0, 2, 1000.0, clock)
    assert one == MapPace(1, {8: 0.5 / 40**2}, 0.0, 0.0, 0.0, 40) and two.threads == 2
    assert one.seconds(80, [8, 8]) == pytest.approx(2 * 0.5 * 4)
    assert measure_paces(x_ND[:5], {8: x_ND[:5]}, 0, 1, 1000.0, clock)[0].images == 5


def test_several_threads_that_are_slow_are_not_tried_further(monkeypatch: pytest.MonkeyPatch):
    x_ND = np.random.default_rng(0).normal(size=(700, 8)).astype(np.float32)
    clock, tried = Clock(), []

    def trial(x_ND: np.ndarray, seed: int, threads: int, clock: Clock) -> tuple[float, float]:
        tried.append((len(x_ND), threads))
        return 0.1, 0.01 * threads**2 * (1 + len(x_ND) / 120)

    monkeypatch.setattr(map_pace, "_trial", trial)
    (pace,) = measure_paces(x_ND, {8: x_ND}, 0, 2, 1000.0, clock)
    assert tried == [(120, 1), (120, 2), (600, 1)]
    assert (pace.threads, pace.images, pace.begin) == (1, 600, 0.1 / 600)
    assert pace.iteration == pytest.approx(0.01) and pace.moved == pytest.approx(0.01 / 120)
    tried.clear()
    assert measure_paces(x_ND, {8: x_ND}, 0, 1, 1.0, clock)[0].images == 120  # no time for the larger one
    assert tried == [(120, 1)]


def test_a_layout_stops_when_it_is_told_to():
    x_ND = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 3

    whole, stopped = aligned_maps([x_ND] * 3), aligned_maps([x_ND] * 3, stop=stop)
    assert 3 < len(asked) <= 8  # then once for each layout that was to come
    assert stopped.shape == whole.shape and np.isfinite(stopped).all()
    assert (aligned_maps([x_ND] * 3, stop=lambda: False) == whole).all()


@pytest.fixture
def finished(whole: RunFolder, tmp_path: Path) -> Path:
    """A run with everything but a map."""
    folder = Path(shutil.copytree(whole.path, tmp_path / "run"))
    (folder / "snapshots" / "map.npz").unlink()
    return folder


def test_a_finished_page_with_too_few_seconds(finished: Path, opened: Open):
    page = collect([finished], threads=1, seconds=0)
    (run,) = page["runs"]
    assert page["learned"] is True
    assert run["map"] is None and run["neighbours"] is None
    assert run["outliers"] is None and run["duplicates"]["near"] == []
    assert run["clusters"]["k"] == 10 and run["evaluation"] and run["curves"]["epoch"]
    said = f"for lack of time; among all of them: lookalike report {finished}"
    assert said in run["reduced"]["duplicates"] and "among 0 of 240 images" in run["reduced"]["duplicates"]
    browser = opened(page)
    browser.well()
    assert "No map and no closest images, for lack of time" in browser.page.inner_text("#map")
    assert "for lack of time" in browser.page.inner_text("#clean")


def test_a_finished_page_with_half_of_what_it_needs(finished: Path, monkeypatch: pytest.MonkeyPatch, opened: Open):
    monkeypatch.setattr(module, "measure_paces", lambda *_: [PACE])
    monkeypatch.setattr(module, "_FEWEST", (120, 100, 30))
    monkeypatch.setattr(MapPace, "seconds", lambda self, n, widths, maps=True: n * len(widths) * 1.6)
    page = collect([finished], threads=1, seconds=1000)
    (run,) = page["runs"]
    assert [s["name"] for s in run["snapshots"]] == ["pixels", "untrained", "epoch 2"]
    shown = unpacked(run["map"]["rows"])
    assert 100 < len(shown) < 240 and len(run["map"]["frames"]) == len(run["neighbours"]["frames"]) == 3
    assert run["reduced"]["map"].startswith(
        f"The map and the closest images are of {len(shown)} of 240 images at 3 of 4"
    )
    assert run["reduced"]["map"] in page["missing"]
    browser = opened(page)
    browser.well()
    assert run["reduced"]["map"] in browser.page.inner_text("#map")
