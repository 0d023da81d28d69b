"""Networks of timm and torchvision as encoders: features without a classifier, under the names of their libraries."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from lookalike.core import optional
from lookalike.core.errors import LookalikeError
from lookalike.encoders import timm_bridge, torchvision_bridge
from lookalike.encoders.base import EncoderSpec, build_encoder, encoder_names, name_problem
from lookalike.encoders.weights import fit_weights, read_weights

SIDE = 32


def library(name: str) -> Any:
    """The library; the test skips where it is not installed."""
    try:
        return optional.need_vision(name, "this test")
    except LookalikeError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def timm() -> Any:
    return library("timm")


@pytest.fixture(scope="module")
def models() -> Any:
    return library("torchvision.models")


def spec(name: str, **said: Any) -> EncoderSpec:
    return EncoderSpec(name, **({"channels": 3, "image_size": SIDE} | said))


def images(n: int = 2, channels: int = 3) -> torch.Tensor:
    return torch.rand(n, channels, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_a_network_of_timm_takes_any_number_of_channels(timm: Any, channels: int):
    encoder = build_encoder(spec("timm:test_resnet", channels=channels), 0).eval()
    h_BD = encoder(images(channels=channels))
    assert h_BD.shape == (2, encoder.out_features)


def test_weights_are_a_function_of_the_seed(timm: Any):
    one, same, other = (build_encoder(spec("timm:test_resnet"), seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_a_transformer_is_made_for_the_size_of_the_images(timm: Any):
    encoder = build_encoder(spec("timm:test_vit"), 0).eval()
    assert encoder(images()).shape == (2, encoder.out_features)


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext"])  # the head of the second normalises features
def test_a_file_of_timm_gives_the_features_of_timm(timm: Any, name: str, tmp_path: Path):
    torch.manual_seed(0)
    theirs = timm.create_model(name, num_classes=7).eval()
    file = tmp_path / "weights.safetensors"
    save_file(theirs.state_dict(), file)
    encoder = build_encoder(spec(f"timm:{name}"), 0).eval()
    fit_weights(encoder, read_weights(file), "FILE")
    with torch.no_grad():
        expected = theirs.forward_head(theirs.forward_features(images()), pre_logits=True)
        assert torch.equal(encoder(images()), expected)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5"])
def test_a_file_of_torchvision_gives_what_its_classifier_sees(models: Any, name: str, tmp_path: Path):
    torch.manual_seed(0)
    theirs = models.get_model(name, weights=None, num_classes=7).eval()
    last = [module for module in theirs.modules() if isinstance(module, torch.nn.Linear)][-1]
    seen: list[torch.Tensor] = []
    last.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    file = tmp_path / "weights.pth"
    torch.save(theirs.state_dict(), file)
    encoder = build_encoder(spec(f"torchvision:{name}"), 0).eval()
    fit_weights(encoder, read_weights(file), "FILE")
    with torch.no_grad():
        theirs(images())
        assert torch.equal(encoder(images()), seen[0].flatten(1))
    assert encoder.out_features == seen[0].shape[1]


def test_a_transformer_of_torchvision_keeps_the_names_of_its_own(models: Any):
    """Its parameters are called `encoder.`, which is left by trainers before the names of others."""
    small = {"image_size": SIDE, "patch_size": 16, "num_layers": 1, "num_heads": 1, "hidden_dim": 8, "mlp_dim": 8}
    one, other = (models.VisionTransformer(**small, num_classes=3) for _ in range(2))
    other.heads = torch.nn.Identity()
    fit_weights(other, {f"module.{name}": t for name, t in one.state_dict().items()}, "FILE")
    assert all(torch.equal(t, one.state_dict()[name]) for name, t in other.state_dict().items())


def test_our_resnet_and_that_of_torchvision_are_one(models: Any, tmp_path: Path):
    file = tmp_path / "resnet18.pth"
    torch.save(models.get_model("resnet18", weights=None).state_dict(), file)
    ours = build_encoder(spec("resnet18", stem="large"), 0).eval()
    theirs = build_encoder(spec("torchvision:resnet18"), 0).eval()
    for encoder in (ours, theirs):
        fit_weights(encoder, read_weights(file), "FILE")
    with torch.no_grad():
        assert torch.allclose(ours(images()), theirs(images()), atol=1e-5)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"name": "torchvision:resnet18", "channels": 4}, "timm's take any number"),
        ({"name": "torchvision:resnet81"}, "did you mean"),
        ({"name": "torchvision:googlenet"}, "side outputs"),
        ({"name": "torchvision:squeezenet1_0"}, "does not end in a linear classifier"),
        ({"name": "torchvision:vit_b_32", "image_size": 33}, "cannot make vit_b_32 for 33 pixels"),
        ({"name": "torchvision:resnet18", "norm": "group"}, "leave --norm group out"),
        ({"name": "torchvision:vgg11", "image_size": 8}, "takes no images of 8 x 8 pixels"),
    ],
)
def test_what_torchvision_does_not_do_is_said(models: Any, said: dict, words: str):
    with pytest.raises(LookalikeError, match=words):
        build_encoder(spec(said.pop("name"), **said), 0)


def test_unknown_networks_of_timm_are_said(timm: Any):
    with pytest.raises(LookalikeError, match="timm has no network 'test_resnett'.*test_resnet"):
        build_encoder(spec("timm:test_resnett"), 0)
    with pytest.raises(LookalikeError, match="takes no images of 33 x 33 pixels"):
        build_encoder(spec("timm:test_vit", image_size=33), 0)


def test_libraries_say_how_their_weights_were_trained(timm: Any, models: Any):
    found = timm_bridge.trained("test_resnet")
    assert found is not None
    assert (found.image_size, found.mean) == (160, (0.5, 0.5, 0.5))
    found = torchvision_bridge.trained("resnet18")
    assert found is not None
    assert (found.image_size, found.mean, found.std) == (224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_names_are_judged_without_any_library():
    assert name_problem("timm:whatever") is None
    assert "did you mean 'convnet'" in str(name_problem("convnett"))
    assert "timm:NAME and torchvision:NAME" in str(name_problem("keras:resnet"))
    assert not any("bridge" in name for name in encoder_names())


@pytest.mark.parametrize("name", ["timm", "torchvision"])
def test_a_library_that_cannot_be_imported_is_named_with_its_remedy(name: str, monkeypatch: pytest.MonkeyPatch):
    def broken(module: str) -> Any:
        raise RuntimeError("operator does not exist")

    monkeypatch.setattr(
        importlib, "import_module", lambda m: broken(m) if m.split(".")[0] in (name, "timm") else real(m)
    )
    with pytest.raises(LookalikeError, match=r"operator does not exist.*pip install 'lookalike\[vision\]'"):
        build_encoder(spec(f"{name}:resnet18"), 0)


real = importlib.import_module
