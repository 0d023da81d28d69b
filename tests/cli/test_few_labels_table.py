"""`lookalike evaluate --labels`: the semi-supervised table, on the same drawings for all features."""

import json
import shutil
import statistics
from pathlib import Path

import pytest
import torch

from lookalike import api
from lookalike.api import few_label_table as module
from lookalike.cli.main import main
from lookalike.data.base import content_order
from lookalike.evaluate.baselines import BASELINES
from lookalike.evaluate.few_shot import drawn
from lookalike.runs.folder import RunFolder

FROZEN = ("knn", "linear", "plain.knn", "plain.linear")


@pytest.fixture(scope="module")
def evaluated(digits_run: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run with the table in its evaluation.json; not to be written to."""
    run = RunFolder(Path(shutil.copytree(digits_run, tmp_path_factory.mktemp("few") / "run")))
    run.evaluation.write_text(
        json.dumps({"knn": 0.5, "linear": 0.5, "protocol": {"k": 20, "test_rows": 1, "chance": 0.1, "clusters": 10}})
    )
    assert main(["evaluate", str(run.path), "--labels", "10, 1", "--seeds=2", "--threads=1"]) == 0
    return run


def test_every_way_and_every_kind_of_features_has_mean_and_spread(evaluated: RunFolder):
    found = json.loads(evaluated.evaluation.read_text())
    assert found["knn"] == 0.5  # what was measured before stays
    few = found["few_labels"]
    assert set(few) == {"trained", "untrained", "pixels", "histograms", "protocol"}
    for name in ("trained", "untrained", "pixels", "histograms"):
        assert list(few[name]) == ["1", "10"]
        for row in few[name].values():
            assert set(row) == {*FROZEN, *(() if name in BASELINES else ("finetuned",))}
            for figure in row.values():
                assert len(figure["each"]) == 2 and all(0 <= value <= 1 for value in figure["each"])
                assert figure["mean"] == pytest.approx(statistics.fmean(figure["each"]), abs=1e-4)
                assert figure["std"] == pytest.approx(statistics.stdev(figure["each"]), abs=1e-4)
    rules = few["protocol"]
    assert (rules["labels_per_class"], rules["seeds"], rules["classes_with_fewer"]) == ([1, 10], 2, [])
    assert rules["learning_rows"] + rules["test_rows"] == 1797


def test_more_labels_and_training_help(evaluated: RunFolder):
    few = json.loads(evaluated.evaluation.read_text())["few_labels"]
    for name in ("trained", "pixels"):
        assert few[name]["10"]["linear"]["mean"] > few[name]["1"]["linear"]["mean"] + 0.05
    best = {name: max(few[name]["10"][way]["mean"] for way in FROZEN) for name in ("trained", "untrained")}
    assert best["trained"] > best["untrained"]
    assert few["trained"]["10"]["finetuned"]["mean"] > few["untrained"]["10"]["finetuned"]["mean"]


def test_the_table_is_printed(evaluated: RunFolder, capsys: pytest.CaptureFixture):
    assert main(["runs", "show", str(evaluated.path)]) == 0
    shown = capsys.readouterr().out
    assert "from so many labels a class, mean and deviation of 2 drawings:" in shown
    figure = json.loads(evaluated.evaluation.read_text())["few_labels"]["trained"]["10"]["linear"]
    (line,) = (line for line in shown.splitlines() if line.split()[:2] == ["trained", "10"])
    assert f"{100 * figure['mean']:.1f}+-{100 * figure['std']:.1f}" in line


def test_figures_are_of_test_rows_and_labels_of_learning_rows(
    digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    images = api.load_images("digits")
    learn, test = images.evaluation
    asked = []

    def spy(x_LD: torch.Tensor, label_L: torch.Tensor, unlabelled_ND: torch.Tensor, query_QD: torch.Tensor):
        asked.append((x_LD, label_L, len(unlabelled_ND), len(query_QD)))
        return images.labels[test]  # all right

    monkeypatch.setattr(module, "linear_of_few", spy)
    run = RunFolder(Path(shutil.copytree(digits_run, tmp_path / "run")))
    found = api.few_labels(run, [3], 4, finetune=False, baselines=False, images=images, threads=1)
    assert found["trained"]["3"]["plain.linear"] == {"mean": 1.0, "std": 0.0, "each": [1.0] * 4}
    assert len(asked) == 8  # smoothed, then plain
    features = api.load_feature_extractor(run.encoder, "cpu").features(images.center_crops)
    bank = content_order(images, learn)
    for seed, (x_LD, label_L, unlabelled, queries) in enumerate(asked[4:]):
        rows = drawn(images.labels, bank, 3, seed)
        assert torch.allclose(x_LD, features[rows], atol=1e-5) and torch.equal(label_L, images.labels[rows])
        assert (unlabelled, queries) == (len(learn), len(test))
    assert len({tuple(x_LD[:, 0].tolist()) for x_LD, *_ in asked[4:]}) == 4


def test_the_network_of_the_run_is_left_as_it_is(evaluated: RunFolder, digits_run: Path):
    assert evaluated.encoder.read_bytes() == RunFolder(digits_run).encoder.read_bytes()


@pytest.mark.parametrize("value", ["", "0", "1,x", "-1", "1.5", ","])
def test_numbers_that_are_none(value: str, capsys: pytest.CaptureFixture):
    assert main(["evaluate", "nowhere", "--labels", value, "--seeds=0"]) == 2
    said = capsys.readouterr().err
    assert "--labels must be positive integers separated by commas" in said
    assert "--seeds must be at least 1" in said


def test_data_without_labels(photo_run: Path, tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture):
    flat = tmp_path / "flat"
    flat.mkdir()
    for i, file in enumerate(sorted(photos.rglob("*.png"))):
        shutil.copy(file, flat / f"{i:03d}.png")
    words = ["train", "simclr", str(flat), "--out", str(tmp_path / "run"), "--epochs=1", "--width=4", "--threads=1"]
    assert main([*words, "--batch-size=20", "--precision=float32", "--no-report", "--no-snapshots"]) == 0
    run = RunFolder(tmp_path / "run")
    run.evaluation.write_text('{"knn": 1, "protocol": {}}')
    assert main(["evaluate", str(run.path), "--labels", "1"]) == 2
    assert "has too few labels to evaluate with" in capsys.readouterr().err
