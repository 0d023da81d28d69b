"""`--features`: label, cluster and search by features without training, and the word that these would serve better."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lookalike import api
from lookalike.cli.main import main
from lookalike.core.errors import LookalikeError
from lookalike.evaluate.baselines import BASELINES
from lookalike.runs.folder import RunFolder

KINDS = ("untrained", "pixels", "histograms")


@pytest.fixture
def run(photo_run: Path, tmp_path: Path) -> RunFolder:
    """A copy of a run on images whose colours are their classes, to be written to."""
    return RunFolder(Path(shutil.copytree(photo_run, tmp_path / "run")))


def index(run: RunFolder) -> list[dict[str, str]]:
    with open(run.index, newline="") as file:
        return list(csv.DictReader(file))


def given(run: RunFolder, tmp_path: Path, per_class: int = 5) -> str:
    """A file of labels, so many of each class."""
    lines, seen = ["path,label"], dict.fromkeys(("blue", "green", "red"), 0)
    for row in index(run):
        if seen[row["label"]] < per_class and "<" not in row["path"]:
            seen[row["label"]] += 1
            lines.append(f"{row['path']},{row['label']}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    return str(tmp_path / "labels.csv")


def lost(run: RunFolder) -> None:
    """Features that say nothing, as of a network that has unlearned."""
    x = np.random.default_rng(0).normal(size=(len(index(run)), 8)).astype(np.float32)
    np.save(run.embeddings, x)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_spread_by_them(run: RunFolder, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture):
    labels = given(run, tmp_path)
    lost(run)
    assert main(["label", str(run.path), labels, "--features", kind, "--json", "--threads=1"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["agreement"] > 0.9
    assert said["better"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_grouped_by_them(run: RunFolder, kind: str, capsys: pytest.CaptureFixture):
    run.embeddings.unlink()  # they are not needed
    assert main(["cluster", str(run.path), "--k=3", "--features", kind, "--threads=1"]) == 0
    found = json.loads(run.clusters.read_text())
    assert found["features"] == kind
    assert found["accuracy"] == 1
    assert f"3 groups (kmeans, by {kind}) of sizes 20, 20, 20" in capsys.readouterr().out


@pytest.mark.parametrize("kind", KINDS)
def test_new_images_are_found_by_them(run: RunFolder, photos: Path, kind: str, capsys: pytest.CaptureFixture):
    run.embeddings.unlink()
    asked = str(photos / "green" / "004.png")
    assert main(["search", str(run.path), asked, "--features", kind, "-n", "20", "--json", "--threads=1"]) == 0
    hits = json.loads(capsys.readouterr().out)["queries"][0]["hits"]
    assert hits[0]["path"] == "green/004.png" and hits[0]["similarity"] == pytest.approx(1, abs=1e-5)
    assert {hit["label"] for hit in hits} == {"green"}


def test_given_labels_tell_that_others_would_serve_better(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture
):
    labels = given(run, tmp_path, 8)
    lost(run)
    assert main(["label", str(run.path), labels, "--threads=1"]) == 0
    said = capsys.readouterr().out
    assert " may serve better: left out in turn, 24 of the 24 labels given are guessed right by " in said
    line = said.split("Try: ")[1].splitlines()[0]
    assert line.startswith(f"lookalike label {run.path} {labels} --features ")
    assert main(line.split()[1:]) == 0
    assert "against the labels that the other images have: 100.0% agree" in capsys.readouterr().out


def test_nothing_is_said_where_the_trained_features_do_as_well(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture
):
    code = np.array([("blue", "green", "red").index(row["label"]) for row in index(run)])
    np.save(run.embeddings, np.eye(3, dtype=np.float32)[code] + 0.01 * np.arange(60, dtype=np.float32)[:, None] / 60)
    assert main(["label", str(run.path), given(run, tmp_path), "--threads=1"]) == 0
    assert main(["cluster", str(run.path), "--k=3", "--threads=1"]) == 0
    said = capsys.readouterr()
    assert "serve better" not in said.out + said.err


@pytest.mark.parametrize("labelled", [True, False])
def test_groups_that_are_steadier_or_agree_better_are_offered(
    run: RunFolder, labelled: bool, capsys: pytest.CaptureFixture
):
    lost(run)
    if not labelled:
        rows = [{**row, "label": ""} for row in index(run)]
        with open(run.index, "w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    assert main(["cluster", str(run.path), "--k=3", "--threads=1"]) == 0
    said = capsys.readouterr().err
    assert ("agree with the labels by an NMI of 1.00" if labelled else "are steadier") in said
    assert main(said.split("Try: lookalike ")[1].split()) == 0


def test_a_search_says_what_the_evaluation_knows(run: RunFolder, photos: Path, capsys: pytest.CaptureFixture):
    image = str(photos / "green" / "004.png")
    run.evaluation.write_text(
        json.dumps({"knn": 0.5, "pixels.knn": 0.6, "histograms.knn": 0.9, "protocol": {"test_rows": 100}})
    )
    assert main(["search", str(run.path), image, "--threads=1"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("histograms may serve better: by histograms 90.0% of the test images")
    assert main(said.split("Try: lookalike ")[1].split()) == 0
    run.evaluation.write_text(json.dumps({"knn": 0.8, "histograms.knn": 0.85, "protocol": {"test_rows": 100}}))
    assert main(["search", str(run.path), image, "--threads=1"]) == 0
    assert "serve better" not in capsys.readouterr().err  # which may be chance


@pytest.mark.parametrize("command", [["label"], ["cluster", "--k=3"], ["search"]])
def test_images_that_are_gone_are_told(
    run: RunFolder, photos: Path, tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture
):
    words = {"label": [given(run, tmp_path)], "cluster": [], "search": [str(photos / "red" / "000.png")]}[command[0]]
    record = json.loads(run.record.read_text())
    run.record.write_text(json.dumps({**record, "data": [str(tmp_path / "gone")], "folder": str(tmp_path)}))
    settings = run.config.read_text().replace(str(photos), str(tmp_path / "gone"))
    run.config.write_text(settings)
    assert main([command[0], str(run.path), *words, *command[1:], "--features=pixels", "--threads=1"]) != 0
    said = capsys.readouterr().err
    assert "--features pixels are computed from the images of the run" in said
    assert "NEW-PLACE" in said
    assert main([command[0], str(run.path), *words, *command[1:], "--threads=1"]) == 0  # the trained ones are there


def test_a_network_that_came_from_python_has_no_untrained_one(run: RunFolder):
    run.config.write_text(run.config.read_text().replace('encoder = "convnet"', 'encoder = "python:Mine"'))
    with pytest.raises(LookalikeError, match="handed over"):
        api.other_features(run, "untrained")
    assert api.other_features(run, "pixels").of_run().shape[0] == len(index(run))


def test_kinds_of_the_commands_are_those_that_there_are():
    from lookalike.api.other_features import OTHERS

    assert OTHERS == KINDS == ("untrained", *BASELINES)
