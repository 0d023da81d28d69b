"""`--init` and `--epochs 0`: runs from weights that were trained before, and what is said of them."""

from __future__ import annotations

import json
import pickle
import shutil
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, safe_open, save_file

from lookalike import api, load
from lookalike.cli.main import main
from lookalike.core.files import read_json
from lookalike.core.metrics import read_metrics
from lookalike.encoders import torchvision_bridge
from lookalike.encoders.base import IMAGENET_MEAN, EncoderSpec, Trained, build_encoder
from lookalike.runs.folder import RunFolder

QUICK = ["--threads=1", "--precision=float32", "--no-report", "--batch-size=20"]


def start(words: list[str], out: Path) -> RunFolder:
    said = {word.split("=")[0] for word in words}
    assert main([*words, "--out", str(out), *(word for word in QUICK if word.split("=")[0] not in said)]) == 0
    return RunFolder.existing(out)


def refused(words: list[str], out: Path, capsys: pytest.CaptureFixture) -> str:
    assert main([*words, "--out", str(out), *QUICK]) == 2
    assert not out.exists()
    return capsys.readouterr().err


def metadata(run: RunFolder) -> dict[str, Any]:
    with safe_open(run.encoder, "pt") as file:
        return file.metadata()


@pytest.fixture(scope="module")
def greys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same grey images, once with one channel and once as colour."""
    folder = tmp_path_factory.mktemp("greys")
    generator = np.random.default_rng(3)
    for i in range(12):
        pixels = generator.integers(0, 255, (20, 20), dtype=np.uint8)
        for name, picture in (("one", pixels), ("three", np.stack([pixels] * 3, 2))):
            (folder / name).mkdir(exist_ok=True)
            Image.fromarray(picture).save(folder / name / f"{i:02d}.png")
    return folder / "one", folder / "three"


@pytest.fixture(scope="module")
def untouched(photos: Path, photo_run: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Everything at once, from the weights of another run, without training."""
    return start([str(photos), "--init", str(photo_run), "--epochs=0"], tmp_path_factory.mktemp("runs") / "untouched")


def test_without_training_a_run_is_whole_and_has_the_features_of_its_weights(untouched: RunFolder, photo_run: Path):
    before = RunFolder(photo_run)
    weights, given = load_file(untouched.encoder), load_file(before.encoder)
    assert weights.keys() == given.keys()
    assert all(torch.equal(t, given[name]) for name, t in weights.items())
    assert np.array_equal(np.load(untouched.embeddings), np.load(before.embeddings))
    for path in (untouched.clusters, untouched.index, untouched.evaluation, untouched.metrics):
        assert path.is_file(), path
    assert untouched.status().status == "finished"
    frames = read_json(untouched.snapshots / "index.json")["frames"]
    assert [(frame["kind"], frame["file"]) for frame in frames] == [
        ("pixels", "pixels.npy"),
        ("untrained", "000000.npy"),
        ("network", "initial.npy"),
    ]


def test_what_the_weights_were_made_with_is_taken_over(untouched: RunFolder, photo_run: Path):
    settings, there = untouched.settings(), RunFolder(photo_run).settings()
    assert settings["width"] == there["width"] == 4
    assert settings["image_size"] == there["image_size"]
    assert (settings["stem"], settings["normalize"]) == ("small", "weights")
    before = metadata(RunFolder(photo_run))
    assert {key: metadata(untouched)[key] for key in ("mean", "std")} == {key: before[key] for key in ("mean", "std")}
    assert len(untouched.status().init["sha256"]) == 64


def test_the_same_command_again_changes_nothing(
    untouched: RunFolder, photos: Path, photo_run: Path, capsys: pytest.CaptureFixture
):
    files = {
        path: path.read_bytes() for path in untouched.path.rglob("*") if path.is_file() and path.name != "run.json"
    }
    start([str(photos), "--init", str(photo_run), "--epochs=0"], untouched.path)
    assert all(path.read_bytes() == content for path, content in files.items())
    assert "not trained" in capsys.readouterr().out  # the row of the table


def test_its_images_are_searched_and_its_verdict_is_sensible(untouched: RunFolder, photos: Path):
    image = photos / "blue" / "003.png"
    assert load(untouched.path).search(image, n=1)[0].path == "blue/003.png"
    events = [event for event in read_metrics(untouched.metrics) if event["event"] == "look"]
    assert [event["of"] for event in events] == ["pixels", "histograms", "untrained", "network"]
    assert events[-1]["verdict"].startswith("not trained: a new view finds its own image")
    assert events[2]["retrieval"] != events[3]["retrieval"]
    from lookalike.report.collect import collect

    page = collect([untouched.path])
    said = " ".join(page["runs"][0]["verdict"]["sentences"])
    assert "it was not trained on them (--epochs 0)" in said
    assert "more epochs" not in said
    assert page["runs"][0]["snapshots"][-1]["name"] == "as it began"
    assert "No curves: it was not trained (--epochs 0)." in page["missing"]


def test_untrained_is_a_run_too(photos: Path, tmp_path: Path):
    run = start([str(photos), "--epochs=0", "--width=4"], tmp_path / "run")
    found = read_json(run.evaluation)
    for key in ("knn", "linear", "cluster.accuracy"):
        assert found[key] == found[f"random.{key}"]
    assert found["protocol"]["training_saw"].startswith("nothing")


def test_a_handful_of_images_will_do_without_training(photos: Path, photo_run: Path, tmp_path: Path):
    few = tmp_path / "few"
    few.mkdir()
    for i in range(5):
        shutil.copy(photos / "red" / f"{i:03d}.png", few / f"{i}.png")
    run = start(["train", "simclr", str(few), "--init", str(photo_run), "--epochs=0"], tmp_path / "run")
    assert np.load(run.embeddings).shape[0] == 5


def test_training_goes_on_from_them_and_says_whether_it_paid(
    untouched: RunFolder, photos: Path, photo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    words = [str(photos), "--init", str(photo_run / "encoder.safetensors"), "--augment=simclr-small"]
    run = start([*words, "--epochs=1"], tmp_path / "run")
    said = capsys.readouterr().out
    found, as_given = read_json(run.evaluation), read_json(untouched.evaluation)
    for key in ("knn", "linear", "cluster.accuracy"):
        assert found[f"init.{key}"] == as_given[key]
    for key in ("random.knn", "random.linear", "pixels.linear", "histograms.linear"):
        assert found[key] == as_given[key]
    assert "began with" in said
    assert "test images, beside the weights it began with" in said  # it cannot be told, from 12
    looks = [event for event in read_metrics(run.metrics) if event["event"] == "look"]
    assert [(event["of"], event["epoch"]) for event in looks] == [
        ("pixels", 0),
        ("histograms", 0),
        ("untrained", 0),
        ("network", 0),
        ("network", 1),
    ]
    given, now = load_file(photo_run / "encoder.safetensors"), load_file(run.encoder)
    assert not torch.equal(given["conv1.weight"], now["conv1.weight"])


def test_another_file_in_its_place_is_not_compared_with(photos: Path, photo_run: Path, tmp_path: Path):
    file = tmp_path / "weights.safetensors"
    shutil.copy(photo_run / "encoder.safetensors", file)
    run = start(["train", "simclr", str(photos), "--init", str(file), "--epochs=1"], tmp_path / "run")
    tensors = load_file(file)
    save_file({name: t + 1 if t.is_floating_point() else t for name, t in tensors.items()}, file, metadata(run))
    found = api.evaluate(run, threads=1)
    assert "init.knn" not in found
    assert "another one than the training began with" in found["protocol"]["init"]
    file.unlink()
    assert "left out" in api.evaluate(run, threads=1)["protocol"]["init"]


def test_weights_with_the_names_of_torchvision(greys: tuple[Path, Path], tmp_path: Path):
    """What torchvision saves: a large stem and a classifier, and no word of how images were normalised."""
    network = build_encoder(EncoderSpec("resnet18", 3, 32, stem="large"), 5)
    file = tmp_path / "resnet18.pth"
    torch.save({**network.state_dict(), "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}, file)
    words = ["train", "simclr", str(greys[1]), "--encoder=resnet18", "--init", str(file), "--epochs=0"]
    run = start([*words, "--image-size=32"], tmp_path / "run")
    assert (run.settings()["stem"], run.settings()["normalize"]) == ("large", "imagenet")
    assert json.loads(metadata(run)["mean"]) == list(IMAGENET_MEAN)
    assert metadata(run)["normalize"] == "imagenet"
    assert all(torch.equal(t, load_file(run.encoder)[name]) for name, t in network.state_dict().items())
    by_data = start([*words, "--image-size=32", "--normalize=data"], tmp_path / "by-data")
    assert json.loads(metadata(by_data)["mean"]) != list(IMAGENET_MEAN)


def test_grey_images_enter_weights_for_colour(greys: tuple[Path, Path], photo_run: Path, tmp_path: Path, capsys):
    one = start(["train", "simclr", str(greys[0]), "--init", str(photo_run), "--epochs=0"], tmp_path / "one")
    assert "grey images enter it as grey in three channels" in capsys.readouterr().out
    assert metadata(one)["channels"] == "3"
    expected = load(photo_run).embed([np.asarray(Image.open(path)) for path in sorted(greys[1].iterdir())])
    assert np.allclose(np.load(one.embeddings), expected, atol=1e-5)
    trained = start(["train", "simclr", str(greys[0]), "--init", str(photo_run), "--epochs=1", "--batch-size=6"],
                    tmp_path / "trained")  # fmt: skip
    assert np.load(trained.embeddings).shape == (12, expected.shape[1])


def test_colour_images_do_not_enter_weights_for_grey_and_the_way_out_is_named(
    greys: tuple[Path, Path], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    grey = start(["train", "simclr", str(greys[0]), "--epochs=0", "--width=4"], tmp_path / "grey")
    said = refused(["train", "simclr", str(photos), "--init", str(grey.path), "--epochs=0"], tmp_path / "no", capsys)
    assert f"lookalike embed {grey.path} DATA converts colour to grey" in said
    assert main(["embed", str(grey.path), str(photos), "--threads=1"]) == 0
    assert "their colour was left out" in capsys.readouterr().err


# -- libraries ------------------------------------------------------------------------------------


def test_a_library_gives_its_weights_or_says_why_not(greys: tuple[Path, Path], tmp_path: Path, monkeypatch, capsys):
    network = build_encoder(EncoderSpec("resnet18", 3, 32, stem="large"), 5)
    monkeypatch.setattr(torchvision_bridge, "trained", lambda model: Trained(32, (0.5, 0.4, 0.3), (0.1, 0.2, 0.3)))
    monkeypatch.setattr(torchvision_bridge, "pretrained", lambda model, spec: network.state_dict())
    words = ["train", "simclr", str(greys[1]), "--encoder=resnet18", "--init=torchvision", "--epochs=0"]
    run = start(words, tmp_path / "run")
    assert (run.settings()["image_size"], run.settings()["normalize"]) == (32, "weights")
    assert json.loads(metadata(run)["mean"]) == [0.5, 0.4, 0.3]
    assert torch.equal(load_file(run.encoder)["conv1.weight"], network.state_dict()["conv1.weight"])
    capsys.readouterr()

    def no_network(model: str, spec: EncoderSpec) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torchvision_bridge, "pretrained", no_network)
    said = refused(words, tmp_path / "no", capsys)
    assert "torchvision gave no weights for resnet18: <urlopen error no route to host>" in said
    assert "--init FILE" in said


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_a_library_is_asked_for_a_network_that_it_has(library: str, photos: Path, tmp_path: Path, capsys):
    said = refused(["train", "simclr", str(photos), f"--init={library}", "--epochs=0"], tmp_path / "no", capsys)
    assert f"--encoder {library}:NAME" in said


# -- bad input ------------------------------------------------------------------------------------


class Evil:
    """Unpickling it would leave a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_a_pickle_is_never_unpickled(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    for name in ("weights.pt", "weights.pth", "weights.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps({"conv1.weight": Evil(tmp_path / "touched")}))
        said = refused(["train", "simclr", str(photos), "--init", str(tmp_path / name)], tmp_path / "no", capsys)
        assert "cannot be read as weights" in said
    assert not (tmp_path / "touched").exists()


def test_other_things_that_are_no_weights(photos: Path, photo_run: Path, tmp_path: Path, capsys):
    file = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(3)}, file)
    words = ["train", "simclr", str(photos), "--epochs=0", "--width=4", "--init"]
    said = refused([*words, str(file)], tmp_path / "no", capsys)
    assert "does not fit ConvNet" in said
    assert "missing conv1.weight [4, 3, 4, 4]" in said
    tensors = load_file(photo_run / "encoder.safetensors")
    tensors["conv1.weight"][0, 0, 0, 0] = float("nan")
    save_file(tensors, file)
    assert "holds NaN or infinity in 1 of" in refused([*words, str(file)], tmp_path / "no", capsys)
    checkpoint = photo_run / "checkpoints" / "last.pt"
    assert f"name the run's folder, {photo_run}" in refused([*words, str(checkpoint)], tmp_path / "no", capsys)
    assert "there is no such file" in refused([*words, str(tmp_path / "absent.pt")], tmp_path / "no", capsys)
    assert "is no run folder" in refused([*words, str(tmp_path)], tmp_path / "no", capsys)


def test_what_is_said_of_normalisation_has_to_make_sense(photos: Path, tmp_path: Path, capsys):
    words = ["train", "simclr", str(photos), "--epochs=0"]
    assert "needs --init" in refused([*words, "--normalize=weights"], tmp_path / "no", capsys)
    assert main(["train", "simclr", "digits", "--epochs=0", "--normalize=imagenet", "--out", str(tmp_path / "no")]) == 2
    assert "is for images of 3 channels" in capsys.readouterr().err
