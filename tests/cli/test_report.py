"""`lookalike report`, and the page that other commands end with."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.cli import page as page_module
from lookalike.cli.main import main
from lookalike.core.errors import LookalikeError
from lookalike.runs.folder import RunFolder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 40 pictures, one of them there twice."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for i in range(39):
        Image.fromarray(generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{i:03d}.png")
    (folder / "copy.png").write_bytes((folder / "007.png").read_bytes())
    return folder


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run on them, by `lookalike DIR`."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert main([str(photos), "--out", str(out), "--epochs=1", "--width=4", "--threads=1"]) == 0
    return RunFolder(out)


def test_a_folder_ends_with_a_page(run: RunFolder):
    text = run.report.read_text()
    assert '<script type="application/json" id="data">' in text
    assert "007.png" in text and "copy.png" in text


def test_the_page_is_written_again_and_its_place_is_named(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture
):
    out = tmp_path / "deep" / "page.html"
    assert main(["report", str(run.path), "--out", str(out), "--max-thumbs=10"]) == 0
    shown = capsys.readouterr().out
    assert f"report: {out}" in shown
    assert "not on the page: 10 of 40 images are shown." in shown
    assert out.stat().st_size < run.report.stat().st_size


def test_several_runs_have_a_page_of_their_own(run: RunFolder, photos: Path, capsys: pytest.CaptureFixture):
    other = run.path.parent / "other"
    words = ["train", "simclr", str(photos), "--out", str(other), "--epochs=1", "--width=4", "--seed=1", "--threads=1"]
    assert main(words) == 0
    assert f"report:      {other / 'report.html'}" in capsys.readouterr().out
    before = run.report.read_bytes()
    assert main(["report", str(run.path), str(other)]) == 0
    assert (run.path / "compare.html").exists()
    assert run.report.read_bytes() == before


def test_no_page_where_none_is_wanted(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    words = ["train", "simclr", str(photos), "--out", str(tmp_path / "run"), "--epochs=1", "--width=4", "--threads=1"]
    assert main([*words, "--no-report", "--no-snapshots"]) == 0
    assert "report" not in capsys.readouterr().out
    assert not (tmp_path / "run" / "report.html").exists()
    assert not (tmp_path / "run" / "snapshots").exists()


def test_a_page_that_cannot_be_written_does_not_cost_the_run(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    def full(*_: object, **__: object) -> None:
        raise LookalikeError("the disk is full")

    monkeypatch.setattr(page_module, "write_report", full)
    words = ["train", "simclr", str(photos), "--out", str(tmp_path / "run"), "--epochs=1", "--width=4", "--threads=1"]
    assert main(words) == 0
    assert "report:      none: the disk is full" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no run named: lookalike report RUN"),
        (["nowhere"], "nowhere is no run folder: there is no such folder"),
        (["nowhere", "--max-thumbs=0"], "--max-thumbs must be at least 1, got 0"),
        (["nowhere", "--max-thumb=3"], "did you mean '--max-thumbs'?"),
    ],
)
def test_mistakes(words: list[str], message: str, capsys: pytest.CaptureFixture):
    assert main(["report", *words]) == 2
    assert message in capsys.readouterr().err


def test_the_command_works_without_torch(run: RunFolder):
    code = "import sys; sys.modules['torch'] = None; from lookalike.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, "report", str(run.path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"report: {run.report}" in done.stdout


def test_figures_need_matplotlib_and_say_so_at_once(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["report", str(run.path), "--out", str(tmp_path / "x.html"), "--matplotlib", str(tmp_path / "f")]) == 2
    assert "pip install 'lookalike[matplotlib]'" in capsys.readouterr().err
    assert not (tmp_path / "x.html").exists()


def test_figures(run: RunFolder, tmp_path: Path):
    pytest.importorskip("matplotlib", reason="an optional extra")
    folder = tmp_path / "figures"
    assert main(["report", str(run.path), "--out", str(tmp_path / "x.html"), "--matplotlib", str(folder)]) == 0
    names = {path.name for path in folder.iterdir()}
    assert {"loss.png", "loss.pdf", "map_pixels_000000.png", "map_untrained_000000.pdf"} <= names
    assert not any(name.startswith("clusters_kept") for name in names)
    with Image.open(folder / "map_pixels_000000.png") as figure:
        assert min(figure.size) > 500
