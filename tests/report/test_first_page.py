"""The page of a run before its first step: what is known of its images, and nothing that is not."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from browser import Open
from lookalike import api
from lookalike.cli.page import first_page
from lookalike.data.base import Images
from lookalike.engine.snapshots import Snapshots
from lookalike.methods import simclr
from lookalike.report.collect import collect
from lookalike.report.packing import unpacked
from lookalike.runs.folder import RunFolder
from small_runs import NEAR, SAME, planted


def claimed(out: Path, images: Images, snapshots: bool = True) -> RunFolder:
    """A run folder as it is before views are chosen."""
    run = RunFolder(out)
    options = simclr.Options(data="digits", out=str(out), augment="auto", budget="5m", snapshots=snapshots)
    run.claim("simclr", options, images, "lookalike digits --budget 5m")
    api.write_index(run.path, images)
    if snapshots:
        Snapshots(run.snapshots, images, None, options.seed).begin(0)
    return run


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run before its first step, with its page."""
    images = planted()
    run = claimed(tmp_path_factory.mktemp("runs") / "run", images)
    assert first_page(run, images, seconds=None, threads=1) == str(run.report)
    return run


def test_it_holds_what_is_known_without_learning(started: RunFolder):
    page = collect([started.path], threads=1)
    (run,) = page["runs"]
    assert page["learned"] is False
    assert [s["name"] for s in run["snapshots"]] == ["pixels"]
    assert len(run["map"]["frames"]) == len(run["neighbours"]["frames"]) == 1
    assert unpacked(run["map"]["frames"][0]).shape == (240, 2)
    assert page["images"]["sheets"]
    assert run["duplicates"]["exact"] == [list(SAME)]
    assert run["duplicates"]["by"] == "pixels"
    assert list(NEAR) in run["duplicates"]["near"]
    for key in ("clusters", "outliers", "evaluation", "views", "views_said"):
        assert run[key] is None, key


def test_its_sentences_say_what_was_found_and_what_is_to_come(started: RunFolder):
    page = collect([started.path], threads=1)
    sentences = page["runs"][0]["verdict"]["sentences"]
    assert sentences[0].startswith("240 images of digits (16 x 16 pixels, grey), to be learned from by SimCLR.")
    assert "before the first step" in sentences[0]
    text = " ".join(sentences)
    assert "2 images are copies of others, pixel by pixel" in text
    assert "All are 16 x 16 pixels." in text
    assert f"lookalike report {started.path}" in sentences[-2]
    assert sentences[-1].endswith(f"lookalike train --config {started.config}")
    assert "accuracy" not in text and "epoch" not in text
    lines = [entry["line"] for entry in page["runs"][0]["card"]["commands"]]
    assert [line.split()[1] for line in lines] == ["train", "report"]  # there are no weights to do more with


def test_without_anything_but_a_record(tmp_path: Path):
    images = dataclasses.replace(planted(120), labels=None, classes=(), skipped=())
    run = claimed(tmp_path / "run", images, snapshots=False)
    run.index.unlink()
    assert first_page(run, images, seconds=5, threads=1) == str(run.report)
    page = collect([run.path], threads=1)
    (part,) = page["runs"]
    for key in ("map", "neighbours", "duplicates", "outliers", "clusters", "evaluation", "views"):
        assert part[key] is None, key
    missing = " ".join(page["missing"])
    assert "it was started with --no-snapshots" in missing
    assert "Views, curves, groups, and outliers come with learning" in missing


def test_a_record_that_cannot_be_changed_costs_no_training(started: RunFolder, tmp_path: Path):
    run = RunFolder(Path(shutil.copytree(started.path, tmp_path / "run")))
    run.record.write_text("{")
    assert first_page(run, planted(), seconds=5, threads=1).startswith("none: cannot read")


def test_the_page_of_a_run_that_looked_at_a_network_is_not_the_first(started: RunFolder, tmp_path: Path):
    folder = Path(shutil.copytree(started.path, tmp_path / "run"))
    look = {"event": "look", "step": 0, "epoch": 0, "of": "untrained", "retrieval": 0.5}
    (folder / "metrics.jsonl").write_text(json.dumps(look) + "\n")
    assert collect([folder], threads=1)["learned"] is True


@pytest.mark.parametrize("seconds", [0.0, 1e-3])
def test_without_time_there_is_no_map_and_no_error(started: RunFolder, tmp_path: Path, seconds: float):
    run = RunFolder(Path(shutil.copytree(started.path, tmp_path / "run")))
    (run.snapshots / "map.npz").unlink()
    assert first_page(run, planted(), seconds, threads=1) == str(run.report)
    page = collect([run.path], threads=1, seconds=seconds)
    (part,) = page["runs"]
    assert part["map"] is None and part["neighbours"] is None and part["snapshots"] == []
    assert f"for lack of time; with them: lookalike report {run.path}" in part["reduced"]["map"]
    assert part["reduced"]["map"] in page["missing"]
    assert part["duplicates"]["exact"] == [list(SAME)]


def test_with_time_enough_the_page_is_the_same(started: RunFolder, tmp_path: Path):
    for name in ("a", "b"):
        shutil.copytree(started.path, tmp_path / name / "run")
        (tmp_path / name / "run" / "snapshots" / "map.npz").unlink()
    one = collect([tmp_path / "a" / "run"], threads=1)["runs"][0]
    two = collect([tmp_path / "b" / "run"], threads=1, seconds=1e6)["runs"][0]
    for key in ("map", "neighbours", "duplicates", "snapshots", "reduced"):
        assert one[key] == two[key], key
    kept = (tmp_path / name / "run" / "snapshots" / "map.npz" for name in ("a", "b"))
    assert len({path.read_bytes() for path in kept}) == 1


def sections(opened: Any) -> list[str]:
    """Sections that are shown, by their id."""
    return opened.ask("Array.from(document.querySelectorAll('main > section:not([hidden])'), (s) => s.id)")


def test_in_a_browser(started: RunFolder, opened: Open):
    page = opened(collect([started.path], threads=1))
    page.well()
    assert sections(page) == ["verdict", "closest", "map", "clean", "card"]
    text = page.page.inner_text("main")
    assert "Before learning" in text and "The map of pixels" in text
    assert "Almost the same pixels" in text
    assert "come with learning" in page.page.inner_text("#clean")
    assert "network" not in page.page.inner_text("#closest")


def test_in_a_browser_without_snapshots(tmp_path: Path, opened: Open):
    images = planted(120)
    run = claimed(tmp_path / "run", images, snapshots=False)
    first_page(run, images, seconds=5, threads=1)
    page = opened(collect([run.path], threads=1))
    page.well()
    assert sections(page) == ["verdict", "closest", "map", "clean", "card"]
    assert "No snapshots" in page.page.inner_text("#map")
