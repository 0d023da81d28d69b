"""Fine-tuning with images whose labels are spread from a few: what is written, learned from, left alone and refused."""

import csv
import dataclasses
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fakes import signal_after
from lookalike import api
from lookalike.api import pseudo_labels
from lookalike.api.pseudo_labels import can_be_spread, spread_labels, with_pseudo_labels
from lookalike.cli.main import main
from lookalike.core.errors import LookalikeError
from lookalike.core.files import write_csv
from lookalike.data.base import Images
from lookalike.runs.folder import RunFolder

WORDS = ("--threads=1", "--epochs=2", "--fraction=0.3", "--no-scratch")


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module", autouse=True)
def easily_spread() -> Iterator[None]:
    """So small a network tells the digits apart less often than is asked for by default."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pseudo_labels, "RIGHT", 0.8)
        yield


@pytest.fixture(scope="module")
def images() -> Images:
    return api.load_images("digits")


@pytest.fixture(scope="module")
def taught(digits_run: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run fine-tuned with three tenths of the labels and what they say of other images; not to be written to."""
    out = tmp_path_factory.mktemp("taught") / "run"
    assert main(["finetune", str(digits_run), "digits", "--out", str(out), *WORDS]) == 0
    return RunFolder(out)


def test_what_is_spread_is_of_training_images_alone_and_mostly_right(taught: RunFolder, images: Images):
    spread = table(taught.spread)
    rows = [images.paths.index(line["path"]) for line in spread]
    drawn = api.training_rows(images, True, 0.3, seed=0)
    assert rows == sorted(set(rows))
    assert not set(rows) & {*drawn.tolist(), *images.evaluation[1].tolist()}
    assert len(rows) == len(images.evaluation[0]) - len(drawn)
    right = [images.classes[int(images.labels[row])] == line["label"] for row, line in zip(rows, spread, strict=True)]
    assert sum(right) / len(right) > 0.85
    assert all(0 < float(line["confidence"]) <= 1 for line in spread)


def test_the_record_says_what_was_learned_from(
    taught: RunFolder, digits_run: Path, images: Images, capsys: pytest.CaptureFixture
):
    settings, found = taught.settings(), json.loads(taught.evaluation.read_text())["finetune"]
    assert settings["more_labels"] == str(taught.spread) and settings["label_fraction"] == 0.3
    assert found["spread"] == len(table(taught.spread)) and "scratch" not in found
    alone = RunFolder(taught.path / "labels-only")
    assert alone.status().status == "finished" and "more_labels" not in alone.settings()
    test = [row for row in table(alone.predictions) if images.paths.index(row["path"]) in images.evaluation[1].tolist()]
    assert found["labels_only"] == pytest.approx(sum(row["predicted"] == row["label"] for row in test) / len(test))
    steps = [json.loads(line) for line in taught.metrics.read_text().splitlines()]
    epochs = [event for event in steps if event["event"] == "epoch"]
    learned = found["labels"] + found["spread"]
    assert [event["step"] for event in epochs] == [k * (learned // settings["batch_size"]) for k in (1, 2)]
    assert main(["finetune", str(digits_run), "digits", "--out", str(taught.path), *WORDS]) == 0
    said = capsys.readouterr().out
    assert f"and from {found['spread']:,} other images, whose labels were spread from these" in said
    assert f"fine-tuned, labels alone    {found['labels_only']:.2%}" in said


def test_the_index_keeps_the_labels_of_the_data(taught: RunFolder, images: Images):
    assert [row["label"] for row in table(taught.index)] == [images.classes[code] for code in images.labels.tolist()]


def test_it_goes_on_where_it_was_stopped_to_the_same_bits(
    taught: RunFolder, digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    words = ["finetune", str(digits_run), "digits", "--out", str(tmp_path / "run"), *WORDS]
    with monkeypatch.context() as patch:
        signal_after(patch, 9, signal.SIGTERM)  # of every training: that with the labels alone, then that with all
        assert main(words) == 128 + signal.SIGTERM
        assert not (tmp_path / "run" / "labels").exists()
        assert main(words) == 128 + signal.SIGTERM
        assert (tmp_path / "run" / "labels" / "spread.csv").exists()
    assert main(words) == 0
    for name in ("labels/spread.csv", "encoder.safetensors", "classifier.safetensors", "predictions.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (taught.path / name).read_bytes()


def test_labels_that_are_not_asked_for_change_nothing(digits_run: Path, images: Images, tmp_path: Path):
    backbone = api.load_feature_extractor(digits_run / "encoder.safetensors", "cpu")
    features = backbone.features(images.center_crops)
    drawn = api.training_rows(images, True, 0.3, seed=0)
    turned = (images.labels + 1) % 10
    turned[drawn] = images.labels[drawn]
    spread_labels(tmp_path / "a.csv", features, images, drawn)
    spread_labels(tmp_path / "b.csv", features, dataclasses.replace(images, labels=turned), drawn)
    assert len(table(tmp_path / "a.csv")) > 100
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_labels_are_spread_where_some_that_are_left_out_can_be_guessed(digits_run: Path, images: Images):
    backbone = api.load_feature_extractor(digits_run / "encoder.safetensors", "cpu")
    learn, _ = images.evaluation
    drawn = api.training_rows(images, True, 0.3, seed=0)
    assert can_be_spread(backbone, images, drawn)
    chance = torch.randint(0, 10, (len(images),), generator=torch.Generator().manual_seed(0))
    assert not can_be_spread(backbone, dataclasses.replace(images, labels=chance), drawn)
    assert not can_be_spread(backbone, images, learn)  # to whom?
    assert not can_be_spread(backbone, images, api.training_rows(images, True, 0.02, seed=0))  # 30 labels show little


def test_without_it_the_labels_are_all_there_is(digits_run: Path, tmp_path: Path):
    words = ["finetune", str(digits_run), "digits", "--out", str(tmp_path / "run"), *WORDS, "--fraction=0.02"]
    assert main(words) == 0
    run = RunFolder(tmp_path / "run")
    found = json.loads(run.evaluation.read_text())["finetune"]
    assert found["spread"] == 0 and found["labels"] < 50 and "labels_only" not in found
    assert not run.labels.exists() and not (run.path / "labels-only").exists()
    assert "more_labels" not in run.settings()


def test_a_file_is_believed_but_of_test_images_and_of_those_with_labels_of_their_own(images: Images, tmp_path: Path):
    learn, test = images.evaluation
    drawn, others = learn[:50], learn[50:60]
    said = {int(row): images.classes[(int(images.labels[row]) + 1) % 10] for row in (*drawn[:5], *others, *test[:5])}
    write_csv(tmp_path / "more.csv", ("path", "label"), [(images.paths[row], name) for row, name in said.items()])
    lesson, rows = with_pseudo_labels(images, drawn, tmp_path / "more.csv")
    assert set(rows.tolist()) == {*drawn.tolist(), *others.tolist()}
    assert torch.equal(lesson.labels[drawn], images.labels[drawn])
    assert torch.equal(lesson.labels[others], (images.labels[others] + 1) % 10)
    assert torch.equal(lesson.labels[test], images.labels[test])


def test_a_file_that_does_not_fit_is_told_apart(images: Images, tmp_path: Path):
    file, learn = tmp_path / "more.csv", images.evaluation[0]
    write_csv(file, ("path", "label"), [(images.paths[60], "cat"), (images.paths[61], "3")])
    with pytest.raises(LookalikeError, match="1 name in .* is no class of digits:\n  - cat\nIts classes are 0, 1, "):
        with_pseudo_labels(images, learn[:50], file)
    write_csv(file, ("path", "label"), [("nowhere.png", "3")])
    with pytest.raises(LookalikeError, match="none of the 1 labelled path is an image of digits"):
        with_pseudo_labels(images, learn[:50], file)


def test_a_folder_of_something_else_is_left_as_it_is(digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "letters.txt").write_text("keep")
    assert main(["finetune", str(digits_run), "digits", "--out", str(tmp_path), *WORDS]) == 2
    assert "exists and holds no run" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]
