"""`lookalike runs diff`: why two runs differ."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lookalike.cli.main import main
from lookalike.core.files import read_json, write_json
from lookalike.report.differences import differences
from lookalike.report.verdict import beside
from lookalike.runs.reader import RunReader


@pytest.fixture
def pair(photo_run: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A run and a copy of it, both evaluated alike."""
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        shutil.copytree(photo_run, folder)
        figures = {"knn": 0.5, "linear": 0.6, "cluster.nmi": 0.2, "protocol": {"test_rows": 400}}
        write_json(folder / "evaluation.json", figures)
    return folders


def edit(file: Path, **values: object) -> None:
    write_json(file, {**read_json(file), **values})


def test_a_copy_differs_in_nothing(pair: tuple[Path, Path], capsys: pytest.CaptureFixture):
    found = differences(*map(RunReader, pair))
    assert found.none
    assert main(["runs", "diff", *map(str, pair)]) == 0
    assert "differ in nothing that is on record" in capsys.readouterr().out


def test_each_part_is_told(pair: tuple[Path, Path], capsys: pytest.CaptureFixture):
    one, two = pair
    config = (two / "config.toml").read_text()
    (two / "config.toml").write_text(config.replace("seed = 0", "seed = 7") + '\nnew = "x"\n')
    record = read_json(two / "run.json")
    edit(two / "run.json", versions={**record["versions"], "torch": "9.9"}, machine={**record["machine"], "cores": 999})
    edit(two / "evaluation.json", knn=0.52, linear=0.8, **{"cluster.nmi": 0.3})
    assert main(["runs", "diff", str(one), str(two), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["configuration"] == {"seed": [0, 7], "new": [None, "x"]}
    assert found["versions"] == {"torch": [record["versions"]["torch"], "9.9"]}
    assert found["machine"] == {"cores": [record["machine"]["cores"], 999]}
    assert found["images"] == {}
    assert found["figures"]["evaluation.linear"] == [0.6, 0.8]
    assert set(found["by_chance"]) == {"evaluation.knn", "evaluation.linear"}
    assert 0.02 < found["by_chance"]["evaluation.linear"] < 0.2
    assert main(["runs", "diff", str(one), str(two)]) == 0
    said = capsys.readouterr().out
    assert "images: the same" in said
    lines = {line.split()[0]: line for line in said.splitlines() if line.split()}
    assert "within ±" in lines["evaluation.knn"]
    assert "more than ±" in lines["evaluation.linear"]
    assert "±" not in lines["evaluation.cluster.nmi"]


def test_other_images_are_counted_and_their_figures_not_compared_by_chance(pair: tuple[Path, Path]):
    one, two = pair
    edit(two / "run.json", fingerprint="other")
    lines = (two / "index.csv").read_text().splitlines(keepends=True)
    (two / "index.csv").write_text("".join(lines[:-2]) + "new.png,,red,\n")
    edit(two / "evaluation.json", knn=0.9)
    found = differences(RunReader(one), RunReader(two))
    assert found.parts["images"]["only here"] == (2, 1)
    assert found.by_chance == {}
    assert beside(RunReader(two), RunReader(one)) == ""


def test_a_page_of_two_runs_says_which_is_better(pair: tuple[Path, Path]):
    edit(pair[1] / "evaluation.json", linear=0.8)
    said = beside(RunReader(pair[1]), RunReader(pair[0]))
    assert said.startswith("Beside one, on 400 test images: linear 80.0% against 60.0%, more than chance")
    assert "kNN 50.0% against 50.0%, which may be chance" in said


def test_two_runs_have_to_be_named(pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["runs", "diff", str(pair[0])]) == 2
    assert "lookalike runs diff RUN RUN" in capsys.readouterr().err
    assert main(["runs", "diff", str(pair[0]), str(tmp_path / "absent")]) == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_what_cannot_be_read_is_said_and_the_rest_compared(pair: tuple[Path, Path], capsys: pytest.CaptureFixture):
    (pair[1] / "evaluation.json").write_text("{")
    assert main(["runs", "diff", *map(str, pair), "--json"]) == 0
    said = capsys.readouterr()
    assert "not compared: " in said.err
    assert json.loads(said.out)["figures"]["evaluation.knn"] == [0.5, None]
