"""The folder for Hugging Face's hub loads by its own file; its card is true and names no place of this machine."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

import lookalike
from lookalike.core import optional
from lookalike.core.errors import LookalikeError
from lookalike.encoders.base import EncoderSpec
from lookalike.engine.feature_extractor import load_feature_extractor
from lookalike.export import base

FILES = ("README.md", "config.json", "load.py", "model.safetensors", "preprocessor_config.json")


@pytest.fixture(scope="module")
def exported(photo_run, tmp_path_factory):
    return lookalike.load(photo_run, "cpu").export("huggingface", tmp_path_factory.mktemp("hub") / "model")


def test_the_printed_lines_load_it_and_give_the_run_s_features(exported, photo_run, photos, monkeypatch, tmp_path):
    assert exported.files == FILES
    monkeypatch.delitem(sys.modules, "load", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    image = photos / "green" / "003.png"
    Image.open(image).save(tmp_path / "photo.png")
    names: dict = {}
    exec(exported.snippet.replace("photo.jpg", "photo.png"), names)
    sys.modules.pop("load")
    run = lookalike.load(photo_run, "cpu")
    assert np.allclose(names["x"].numpy(), run.embed(image), rtol=0, atol=1e-5)

    # of another size: resized by Pillow there, by matrices here
    large = Image.open(image).resize((60, 43), Image.Resampling.BICUBIC)
    large.save(tmp_path / "large.png")
    one, other = names["features"]([tmp_path / "large.png"]).numpy(), run.embed(large)
    assert (one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other) > 0.98


def test_configuration_and_preprocessing(exported, photo_run):
    backbone = load_feature_extractor(photo_run / "encoder.safetensors", "cpu")
    config = json.loads((exported.folder / "config.json").read_text())
    assert config["encoder"] == "convnet" and config["num_features"] == 128 and config["method"] == "simclr"
    assert "architecture" not in config  # timm has no such network
    processing = json.loads((exported.folder / "preprocessor_config.json").read_text())
    assert processing["image_mean"] == list(backbone.mean) and processing["image_std"] == list(backbone.std)
    assert processing["crop_size"] == {"height": 20, "width": 20}
    with safe_open(exported.folder / "model.safetensors", framework="pt") as file:
        assert file.metadata()["format"] == "pt"
    assert torch.equal(
        load_feature_extractor(exported.folder / "model.safetensors", "cpu").encoder.conv1.weight,
        backbone.encoder.conv1.weight,
    )


def test_the_card(exported, photo_run, photos: Path):
    card = (exported.folder / "README.md").read_text()
    assert card.startswith("---\n") and "- self-supervised" in card
    assert "SimCLR on 60 images of `photos`, seed 0" in card and "20 x 20 pixels" in card
    for name in FILES:
        text = (exported.folder / name).read_bytes()
        assert str(photos).encode() not in text and str(photo_run).encode() not in text


def test_the_card_shows_the_figures_that_were_measured(holding):
    run = holding(EncoderSpec("convnet", 3, 20, 4))
    run.evaluation.unlink(missing_ok=True)
    assert "None were measured." in (base.export(run, "huggingface", threads=1).folder / "README.md").read_text()
    figures = {"knn": 0.75, "random.knn": 0.5, "pixels.knn": 0.25, "linear": 0.8125}
    run.evaluation.write_text(json.dumps({**figures, "protocol": {"test_rows": 16, "chance": 0.125}}))
    card = (base.export(run, "huggingface", threads=1).folder / "README.md").read_text()
    assert "On 16 test images, chance 12.5%:" in card
    assert "| kNN accuracy | 75.00% | 50.00% | 25.00% |" in card and "| linear accuracy | 81.25% |  |  |" in card


@pytest.mark.parametrize("channels", [1, 3])
def test_timm_builds_a_resnet_from_the_folder(channels, holding):
    try:
        timm = optional.need_vision("timm", "this test")
    except LookalikeError as error:
        pytest.skip(str(error))
    run = holding(EncoderSpec("resnet18", channels, 32, stem="large"))
    found = base.export(run, "huggingface", threads=1)
    assert any("checked: timm's model" in sentence for sentence in found.messages)
    model = timm.create_model(f"local-dir:{found.folder}", pretrained=True).eval()
    backbone = load_feature_extractor(run.encoder, "cpu")
    x = torch.randn(2, channels, 32, 32)
    with torch.no_grad():
        assert torch.allclose(model.double()(x.double()), backbone.encoder.double()(x.double()), rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2])
def test_other_channels(channels, holding):
    found = base.export(holding(EncoderSpec("convnet", channels, 16, 4)), "huggingface", threads=1)
    assert ("features(" in found.snippet) == (channels == 1)


def test_a_network_of_one_s_own_is_refused(holding):
    spec = EncoderSpec("convnet", 3, 16, 4)
    run = holding(spec)
    own = load_feature_extractor(run.encoder, "cpu").encoder
    with pytest.raises(LookalikeError, match=r"a network of your own.*--to onnx takes any"):
        lookalike.load(run, "cpu", own).export("huggingface")
