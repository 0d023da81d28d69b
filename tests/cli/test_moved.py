"""Runs, images and lists are found from other working folders, and after they have moved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike import api
from lookalike.cli.main import main
from lookalike.core.errors import LookalikeError
from lookalike.runs.folder import RunFolder

TINY = ["--epochs=1", "--width=4", "--threads=1", "--batch-size=16", "--precision=float32", "--no-report"]


def pictures(folder: Path, n: int = 34) -> None:
    folder.mkdir(parents=True)
    for i in range(n):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(
            folder / f"{i:02d}.png"
        )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose run was trained with relative places from the project's folder."""
    project = tmp_path_factory.mktemp("moved") / "project"
    pictures(project / "photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        assert main(["train", "simclr", "photos", "--out", "runs/a", *TINY]) == 0
        assert main(["train", "simclr", "photos/*.png", "--init", "runs/a", "--out", "runs/b", *TINY]) == 0
    return project


@pytest.fixture
def project(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, of which the records say that it was trained there; the working folder is another one."""
    copy = tmp_path / "project"
    shutil.copytree(trained, copy)
    for name in ("a", "b"):
        record = copy / "runs" / name / "run.json"
        record.write_text(record.read_text().replace(str(trained), str(copy)))
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    return copy


def test_what_was_said_is_kept_beside_where_it_was(project: Path):
    run = RunFolder(project / "runs" / "a")
    assert run.settings()["data"] == "photos" and run.settings()["out"] == "runs/a"
    assert run.status().data == [str(project / "photos")] and run.status().folder == str(project)
    assert "# Working folder: /" in run.config.read_text()


def test_every_command_finds_the_images_of_a_run_from_elsewhere(project: Path, capsys: pytest.CaptureFixture):
    for name in ("a", "b"):  # a folder, a pattern
        run = str(project / "runs" / name)
        assert main(["embed", run]) == 0
        assert main(["embed", run, "--out", "copy"]) == 0
    assert np.array_equal(np.load(project / "runs/b/embeddings.npy"), np.load("copy/embeddings.npy"))
    (Path.cwd() / "photos").mkdir()  # of the same name, and of other images
    Image.new("RGB", (8, 8)).save("photos/other.png")
    assert main(["embed", str(project / "runs" / "a")]) == 0


def test_a_configuration_is_gone_on_with_from_elsewhere(project: Path):
    for name in ("a", "b"):
        before = (project / "runs" / name / "encoder.safetensors").read_bytes()
        assert main(["train", "--config", str(project / "runs" / name / "config.toml")]) == 0
        assert (project / "runs" / name / "encoder.safetensors").read_bytes() == before
    assert not Path("runs").exists()  # none was begun here
    words = ["train", "simclr", "../project/photos/*.png", "--init", "../project/runs/a"]
    assert main([*words, "--out", "../project/runs/b", *TINY]) == 0  # the same run, said from here


def test_a_configuration_of_ones_own_names_places_beside_it(project: Path):
    (project / "my.toml").write_text('method = "simclr"\ndata = "photos"\nepochs = 0\nwidth = 4\nreport = false\n')
    assert main(["train", "--config", str(project / "my.toml"), "--out", "mine", "--batch-size=16"]) == 0
    assert RunFolder(Path("mine")).status().data == [str(project / "photos")]


def test_a_project_that_moved_as_a_whole_is_found(project: Path):
    project.rename(project.with_name("renamed"))
    assert main(["embed", "../renamed/runs/a"]) == 0
    assert main(["train", "--config", "../renamed/runs/b/config.toml"]) == 0
    assert not Path("runs").exists()


def test_images_that_moved_are_said_with_the_places_and_found_where_somebody_says(
    project: Path, capsys: pytest.CaptureFixture
):
    run = project / "runs" / "a"
    (project / "photos").rename(project / "pictures")
    assert main(["embed", str(run)]) == 2
    said = capsys.readouterr().err
    for place in (project / "photos", Path.cwd() / "photos"):
        assert str(place) in said
    assert f"say where to, which is kept: lookalike embed {run} NEW-PLACE" in said
    other = Path("other")
    pictures(other, 3)
    assert main(["embed", str(run), str(other)]) == 0  # other images, and nothing is kept
    assert main(["embed", str(run)]) == 2
    assert main(["embed", str(run), "../project/pictures"]) == 0
    assert "are looked for at this place from now on" in capsys.readouterr().err
    assert main(["embed", str(run)]) == 0
    assert json.loads((run / "run.json").read_text())["data"] == [str(project / "pictures")]


def test_runs_of_before_are_found_as_they_were(project: Path, monkeypatch: pytest.MonkeyPatch):
    record = project / "runs" / "a" / "run.json"
    old = json.loads(record.read_text())
    del old["data"], old["folder"]
    record.write_text(json.dumps(old))
    assert main(["embed", "../project/runs/a"]) == 0  # by the place of the run itself
    monkeypatch.chdir(project)
    assert main(["embed", "runs/a"]) == 0
    assert main(["train", "simclr", "photos", "--out", "runs/a", *TINY]) == 0


def test_images_from_python_are_not_looked_for(project: Path):
    run = RunFolder(project / "runs" / "a")
    _, options = api.options_of(run)
    options.data = ""
    with pytest.raises(LookalikeError, match="handed over in Python, which are not kept; name images: lookalike embed"):
        api.images_of(run, options)


# -- files that cannot be read ----------------------------------------------------------------------


def test_what_messages_recommend_for_broken_files_is_there(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    folder, run = tmp_path / "some", str(project / "runs" / "a")
    pictures(folder, 2)
    (folder / "bad.png").write_text("no image")
    for words in (["embed", run, str(folder), "--out", "e"], ["views", str(folder), "--out", "v.png"]):
        assert main(words) == 2
        assert "To go on with the other 2: --skip-bad" in capsys.readouterr().err
        assert main([*words, "--skip-bad", "--no-store"]) == 0
        assert words[0] == "views" or "1 file skipped, such as 'bad.png'" in capsys.readouterr().err
    assert Path("e/skipped.csv").read_text().splitlines()[1].startswith("bad.png,")
    assert len(np.load("e/embeddings.npy")) == 2
    (folder / "bad.png").unlink()
    assert main(["embed", run, str(folder), "--out", "e"]) == 0
    assert not Path("e/skipped.csv").exists()
