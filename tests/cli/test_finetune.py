"""`lookalike finetune` and `predict`: what is written, what is compared, what goes on, what is refused."""

import csv
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from fakes import signal_after
from lookalike import api
from lookalike.api.finetuning import batch_of
from lookalike.cli.main import main
from lookalike.engine.checkpoint import load_checkpoint
from lookalike.runs.folder import RunFolder

SHORT = ("--threads=1", "--epochs=4", "--fraction=0.1", "--no-unlabelled")  # images without: test_unlabelled.py


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def tuned(digits_run: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that was fine-tuned with a tenth of the labels; not to be written to."""
    out = tmp_path_factory.mktemp("tuned") / "run"
    assert main(["finetune", str(digits_run), "digits", "--out", str(out), *SHORT]) == 0
    return RunFolder(out)


def test_both_accuracies_are_those_of_the_predictions(tuned: RunFolder):
    images = api.load_images("digits")
    _, test = images.evaluation
    found = json.loads(tuned.evaluation.read_text())
    figures = found["finetune"]
    assert figures["test_rows"] == len(test) == found["protocol"]["test_rows"]
    for key, folder in (("finetuned", tuned), ("scratch", RunFolder(tuned.path / "scratch"))):
        rows = table(folder.predictions)
        assert [row["path"] for row in rows] == list(images.paths)
        right = [rows[i]["predicted"] == rows[i]["label"] for i in test.tolist()]
        assert figures[key] == pytest.approx(sum(right) / len(right))
    assert found["classifier"] == figures["finetuned"]
    assert figures["finetuned"] > figures["scratch"] + 0.1


def test_they_differ_in_where_they_start_and_in_nothing_else(tuned: RunFolder, digits_run: Path):
    ours, scratch = tuned.settings(), RunFolder(tuned.path / "scratch").settings()
    assert ours["init"] == str(digits_run / "encoder.safetensors") and "init" not in scratch
    different = {key for key in ours if ours[key] != scratch.get(key)}
    assert different == {
        "init",
        "out",
        "normalize",
        "stem",
    }  # images enter as the weights know it; the stem is the same
    assert (ours["stem"], scratch["stem"]) == ("small", "auto")
    assert (ours["method"], ours["optimizer"], ours["lr"], ours["momentum"]) == ("supervised", "sgd", 0.05, 0.9)
    assert (ours["weight_decay"], ours["warmup"], ours["label_fraction"]) == (0.0, 0.0, 0.1)
    assert ours["augment"] == "crop"  # digits must not be mirrored
    assert ours["width"] == 8


def test_what_it_learns_from_is_a_tenth_of_each_class_and_no_test_image(tuned: RunFolder):
    images = api.load_images("digits")
    learn, test = images.evaluation
    rows = api.training_rows(images, True, 0.1, seed=0)
    assert not set(rows.tolist()) & set(test.tolist())
    for c in range(10):
        assert int((images.labels[rows] == c).sum()) == round(0.1 * int((images.labels[learn] == c).sum()))
    assert json.loads(tuned.evaluation.read_text())["finetune"]["labels"] == len(rows)


def test_it_is_a_run_like_any_other(tuned: RunFolder):
    assert tuned.status().status == "finished"
    for file in (tuned.encoder, tuned.classifier, tuned.embeddings, tuned.index, tuned.metrics, tuned.config):
        assert file.is_file()
    epochs = [json.loads(line) for line in tuned.metrics.read_text().splitlines()]
    assert [event["epoch"] for event in epochs if event["event"] == "epoch"] == [1, 2, 3, 4]


def test_the_same_command_gives_the_same_bits_and_goes_on_where_it_was_stopped(
    tuned: RunFolder, digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    words = ["finetune", str(digits_run), "digits", "--out", str(tmp_path / "run"), *SHORT, "--no-scratch"]
    with monkeypatch.context() as patch:
        signal_after(patch, 9, signal.SIGTERM)
        assert main(words) == 128 + signal.SIGTERM
    assert not (tmp_path / "run" / "classifier.safetensors").exists()
    assert main(words) == 0
    again = RunFolder(tmp_path / "run")
    assert not (again.path / "scratch").exists()
    for name in ("encoder.safetensors", "classifier.safetensors", "predictions.csv"):
        assert (again.path / name).read_bytes() == (tuned.path / name).read_bytes()
    capsys.readouterr()
    assert main([*words, "--json"]) == 0  # nothing is left to be done
    found = json.loads(capsys.readouterr().out)
    assert found["finetune"]["finetuned"] == json.loads(tuned.evaluation.read_text())["finetune"]["finetuned"]
    assert main([*words, "--fraction=0.2"]) == 2
    assert "label_fraction: 0.1 there, 0.2 now" in capsys.readouterr().err


def test_the_classifier_names_new_images(tuned: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture):
    images = api.load_images("digits")
    file = tmp_path / "new.npy"
    np.save(file, images.pixels[:50, 0].numpy())
    assert main(["predict", str(tuned.path), str(file), "--out", str(tmp_path / "a.csv"), "--threads=1"]) == 0
    assert "50 images: " in capsys.readouterr().out
    found = table(tmp_path / "a.csv")
    assert [row["predicted"] for row in found] == [row["predicted"] for row in table(tuned.predictions)[:50]]
    assert all(0.1 <= float(row["confidence"]) <= 1 for row in found)
    words = ["predict", str(tuned.path), "digits", "--out", str(tmp_path / "b.csv"), "--json", "--threads=1"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    right = [row["predicted"] == row["label"] for row in table(tmp_path / "b.csv")]
    assert told["accuracy"] == pytest.approx(sum(right) / 1797)
    assert sum(told["counts"].values()) == told["images"] == 1797


def test_evaluating_it_keeps_what_fine_tuning_found(tuned: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture):
    copy = RunFolder(Path(shutil.copytree(tuned.path, tmp_path / "copy")))
    before = json.loads(copy.evaluation.read_text())
    assert main(["evaluate", str(copy.path), "--no-baselines", "--threads=1"]) == 0
    after = json.loads(copy.evaluation.read_text())
    assert after["finetune"] == before["finetune"]
    assert after["classifier"] == pytest.approx(before["classifier"])
    assert 0 < after["knn"] <= 1
    assert f"learned from {before['finetune']['labels']} labels: fine-tuned" in capsys.readouterr().out


def test_the_head_is_that_of_the_last_checkpoint(tuned: RunFolder):
    from lookalike.engine.classifier import load_classifier

    found = load_classifier(tuned, "cpu")
    state = load_checkpoint(tuned.checkpoint)["method"]
    assert np.array_equal(found.weight_KD.numpy(), state["head.0.weight"].float().numpy())
    assert found.classes == tuple("0123456789")


def test_other_images_are_normalised_as_the_network_knows_it(digits_run: Path, tmp_path: Path):
    dark = np.random.default_rng(0).integers(0, 40, (60, 8, 8), dtype=np.uint8)
    dark[::2, :4] += 60
    np.savez(tmp_path / "dark.npz", images=dark, labels=np.arange(60) % 2)
    words = ["finetune", str(digits_run), str(tmp_path / "dark.npz"), "--out", str(tmp_path / "run"), "--fraction=1"]
    assert main([*words, "--epochs=1", "--no-scratch", "--threads=1"]) == 0
    known, ours = (
        api.load_feature_extractor(folder / "encoder.safetensors", "cpu") for folder in (digits_run, tmp_path / "run")
    )
    assert (ours.mean, ours.std) == (known.mean, known.std)
    assert RunFolder(tmp_path / "run").settings()["batch_size"] == batch_of(
        len(api.training_rows(api.load_images(str(tmp_path / "dark.npz"), 16), True))
    )


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 colour images of two kinds, as an array with labels."""
    file = tmp_path_factory.mktemp("colours") / "colours.npz"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    np.savez(file, images=pixels, labels=np.arange(40) % 2)
    return file


def test_what_is_refused(digits_run: Path, colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    def said(data: str, *words: str) -> str:
        assert main(["finetune", str(digits_run), data, "--out", str(tmp_path / "no"), "--threads=1", *words]) == 2
        assert not (tmp_path / "no").exists()
        return capsys.readouterr().err

    grey = np.random.default_rng(0).integers(0, 256, (40, 16, 16), dtype=np.uint8)
    np.save(tmp_path / "bare.npy", grey)
    np.savez(tmp_path / "each.npz", images=grey[:9], labels=np.arange(9))
    np.savez(tmp_path / "one.npz", images=grey, labels=np.zeros(40, np.int64))
    for value in ("0", "-0.1", "1.5", "nan"):
        assert "--fraction must be in (0, 1], got " in said("digits", f"--fraction={value}")
    words = f"the network of {digits_run} was trained on images of 1 channel, colours has images of 3 channels"
    assert words in said(str(colours))
    words = said(str(tmp_path / "bare.npy"))
    assert "bare has no labels to learn from" in words and f"lookalike label {digits_run} labels.csv" in words
    words = said(str(tmp_path / "each.npz"))
    assert "each has 9 classes and " in words and "labelled images to learn from, with none of: " in words
    assert "labels of 1 class" in said(str(tmp_path / "one.npz"))
    assert "2 mistakes" in said("digits", "--fraction=2", "--epochs=0")


def test_a_run_without_labels_has_no_classifier(digits_run: Path, capsys: pytest.CaptureFixture):
    assert main(["predict", str(digits_run), "digits"]) == 2
    assert "has no classifier: it learned without labels, or did not finish. Give it some labels: lookalike " in (
        capsys.readouterr().err
    )
    assert main(["predict", str(digits_run)]) == 2
    assert "no images named: lookalike predict RUN DATA" in capsys.readouterr().err


def test_a_damaged_classifier_is_named(tuned: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture):
    copy = RunFolder(Path(shutil.copytree(tuned.path, tmp_path / "copy")))
    copy.classifier.write_bytes(copy.classifier.read_bytes()[:100])
    assert main(["predict", str(copy.path), "digits"]) == 2
    assert "is no classifier written by lookalike" in capsys.readouterr().err


@pytest.mark.parametrize(("n", "batch"), [(2, 2), (14, 2), (100, 8), (600, 64), (6000, 256), (60000, 256)])
def test_a_batch_makes_some_steps_an_epoch(n: int, batch: int):
    assert batch_of(n) == batch
