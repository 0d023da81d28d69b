"""What a run leaves behind can be read by others and repeats the run."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lookalike import api
from lookalike.core.errors import LookalikeError
from lookalike.data.array import from_array
from lookalike.encoders.base import EncoderSpec, build_encoder
from lookalike.engine.feature_extractor import load_feature_extractor
from lookalike.methods.simclr import Options
from lookalike.runs.folder import RunFolder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    place = tmp_path_factory.mktemp("runs") / "run"
    folder = api.train(
        "simclr", Options(data="digits", out=str(place), epochs=1, width=4, threads=1), {"epochs", "width"}
    )
    api.embed(folder)
    return folder


def test_the_configuration_repeats_the_run(run: RunFolder, tmp_path: Path):
    method, options = api.options_of(run)
    assert method == "simclr"
    assert options.batch_size == 256 and options.augment == "digits"  # from the recipe, made explicit
    options.out = str(tmp_path / "again")
    again = api.train(method, options)
    assert again.encoder.read_bytes() == run.encoder.read_bytes()


def test_the_record_says_what_the_numbers_depend_on(run: RunFolder):
    record = run.status()
    assert record.status == "trained"
    assert record.images == 1797
    assert record.versions["torch"] == torch.__version__
    assert set(record.seconds) >= {"load", "train", "embed"}
    assert tomllib.loads(run.config.read_text())["seed"] == 0


def test_the_encoder_loads_with_its_metadata(run: RunFolder):
    backbone = load_feature_extractor(run.encoder, "cpu")
    assert backbone.spec == EncoderSpec("convnet", 1, 16, width=4)
    plain = build_encoder(backbone.spec, seed=1)
    plain.load_state_dict(load_file(run.encoder), strict=True)
    images = api.load_images("digits")
    assert torch.equal(torch.from_numpy(np.load(run.embeddings)), backbone.features(images.pixels))


def test_the_index_has_a_row_for_each_image(run: RunFolder):
    lines = run.index.read_text().splitlines()
    assert lines[0] == "path,split,label,cluster"
    assert len(lines) == 1798
    assert lines[1] == "digits/0000,,0,"


def test_embedding_other_images(run: RunFolder, tmp_path: Path):
    np.save(tmp_path / "new.npy", np.zeros((5, 16, 16), np.uint8))
    place = api.embed(run, str(tmp_path / "new.npy"))
    assert place == run.path / "embeddings" / "new"
    assert np.load(place / "embeddings.npy").shape == (5, 32)


def test_images_with_other_channels_are_refused(run: RunFolder, tmp_path: Path):
    np.save(tmp_path / "layers.npy", np.zeros((6, 5, 16, 16), np.uint8))
    with pytest.raises(LookalikeError, match="trained on images of 1 channel, these have 5; only grey and colour"):
        api.embed(run, str(tmp_path / "layers.npy"))
    with pytest.raises(LookalikeError, match="16 x 16 pixels with 1 channel, these images are 16 x 16 pixels with 3"):
        load_feature_extractor(run.encoder, "cpu").features(torch.zeros(2, 3, 16, 16, dtype=torch.uint8))


def test_colour_is_left_out_for_a_network_for_grey_and_that_is_said(
    run: RunFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "lookalike")
    np.save(tmp_path / "colour.npy", np.zeros((5, 16, 16, 3), np.uint8))
    place = api.embed(run, str(tmp_path / "colour.npy"))
    assert np.load(place / "embeddings.npy").shape == (5, 32)
    assert "their colour was left out" in caplog.text


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path):
    with pytest.raises(LookalikeError, match="no run folder: config.toml and run.json are not in it"):
        RunFolder.existing(tmp_path)
    with pytest.raises(LookalikeError, match="there is no such folder"):
        RunFolder.existing(tmp_path / "nowhere")


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(LookalikeError, match="exists and holds no run"):
        api.train("simclr", Options(data="digits", out=str(tmp_path)), set())
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_any_number_of_channels_trains(tmp_path: Path, channels: int):
    generator = np.random.default_rng(0)
    images = from_array(generator.integers(0, 256, (64, 20, 20, channels), dtype=np.uint8))
    options = Options(out=str(tmp_path / "run"), epochs=1, batch_size=32, width=4, threads=1, augment="simclr")
    folder = api.train("simclr", options, images=images)
    assert load_feature_extractor(folder.encoder, "cpu").features(images.pixels).shape == (64, 128)


def test_a_network_from_python(tmp_path: Path):
    def network() -> torch.nn.Module:
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 24), torch.nn.ReLU())

    options = Options(data="digits", out=str(tmp_path / "run"), max_steps=3, threads=1)
    images = api.load_images("digits").of_rows(torch.arange(600))
    folder = api.train("simclr", options, {"max_steps"}, images=images, encoder=network())
    assert api.embed(folder, images=images, encoder=network()) == folder.path
    assert np.load(folder.embeddings).shape == (600, 24)
    result = api.evaluate(folder, images=images, encoder=network())
    assert result["knn"] > 0.5


def test_evaluation_keys(run: RunFolder):
    found = api.evaluate(run, threads=1)
    assert json.loads(run.evaluation.read_text()) == found
    groups = {f"cluster{way}.{name}" for way in ("", ".spectral") for name in ("accuracy", "nmi", "ari", "purity")}
    accuracies = {
        f"{of}{key}" for of in ("", "pixels.", "histograms.", "random.") for key in ("knn", "linear", *groups)
    }
    assert set(found) == accuracies | {"protocol"}
    assert all(0 <= found[key] <= 1 for key in accuracies)
    assert found["pixels.knn"] == pytest.approx(0.97, abs=0.03)


def test_labels_never_reach_training(run: RunFolder, tmp_path: Path):
    import dataclasses

    images = dataclasses.replace(api.load_images("digits"), labels=None, classes=())
    options = dataclasses.replace(api.options_of(run)[1], out=str(tmp_path / "flat"))
    flat = api.train("simclr", options, images=images)
    assert flat.encoder.read_bytes() == run.encoder.read_bytes()
