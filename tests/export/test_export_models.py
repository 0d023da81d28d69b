"""torchvision's and timm's own models load a run strictly and compute its features, by the lines that are printed."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import lookalike
from lookalike.cli.main import main
from lookalike.core import optional, registry
from lookalike.core.errors import LookalikeError
from lookalike.encoders.base import EncoderSpec
from lookalike.engine.feature_extractor import load_feature_extractor
from lookalike.export import base, networks

TOLERANCE = 1e-6
SPECS = [
    EncoderSpec("resnet18", 3, 32),
    EncoderSpec("resnet18", 1, 32, norm="group"),
    EncoderSpec("resnet34", 3, 32, stem="large"),
    EncoderSpec("resnet50", 4, 32, stem="large", norm="group"),
]


@pytest.fixture(scope="module", params=["torchvision", "timm"])
def library(request: pytest.FixtureRequest) -> str:
    """Skips where it cannot be imported; a missing compiled part of torchvision is no reason."""
    try:
        optional.need_vision(request.param, "this test")
    except LookalikeError as error:
        pytest.skip(str(error))
    return request.param


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: f"{s.name}-{s.channels}-{s.stem}-{s.norm}")
def test_strict_loads_with_equal_features(library, spec, holding):
    run = holding(spec)
    found = base.export(run, library, threads=1)
    assert found.files == ("encoder.safetensors", "load.py") and found.folder == run.path / "export" / library
    assert found.checks["float32"] <= TOLERANCE and found.checks["float64"] <= TOLERANCE

    # apart from what was printed and checked by the export itself: the module, on other images
    loaded = runpy.run_path(str(found.folder / "load.py"))
    model = loaded["model"]
    assert type(model).__module__.split(".")[0] == library and not model.training
    assert model.state_dict().keys() == load_file(found.folder / "encoder.safetensors").keys()
    images = torch.randint(0, 256, (3, spec.channels, 32, 32), dtype=torch.uint8)
    backbone = load_feature_extractor(run.encoder, "cpu")
    with torch.no_grad():
        theirs = model.double()(loaded["prepare"](images).double())
        ours = backbone.encoder.double()(backbone.preprocess(images).double())
    assert theirs.shape == (3, backbone.encoder.out_features)
    assert torch.allclose(theirs, ours, rtol=0, atol=TOLERANCE)


def test_the_printed_lines_run_as_they_stand(library, resnet_run, tmp_path, capsys):
    assert main(["export", str(resnet_run), "--to", library, "--out", str(tmp_path / "out"), "--threads=1"]) == 0
    said, snippet = capsys.readouterr().out.split("\n\n", 1)
    assert f"checked: {library}'s model loads the weights strictly" in said
    run = lookalike.load(resnet_run, "cpu")
    images = run.read([np.full((20, 20, 3), level, np.uint8) for level in (0, 90, 255)]).center_crops[:]
    names = {"images": images}
    with torch.no_grad():
        exec(snippet, names)
        assert torch.allclose(names["features"], run.backbone.features(images), rtol=0, atol=1e-5)
    loading = [line for line in snippet.splitlines() if line.startswith("model")]
    assert "model.eval()" in loading and any("load_state_dict" in line for line in loading)


def test_double_precision_stays_double(library, holding):
    run = holding(EncoderSpec("resnet18", 3, 16), precision="float64")
    found = runpy.run_path(str(base.export(run, library, threads=1).folder / "load.py"))
    x = found["prepare"](torch.zeros(2, 3, 16, 16, dtype=torch.uint8))
    with torch.no_grad():
        assert found["model"](x).dtype == torch.float64


def test_as_json(library, resnet_run, tmp_path, capsys):
    words = ["export", str(resnet_run), "--to", library, "--out", str(tmp_path / "out"), "--json", "--threads=1"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["files"] == ["encoder.safetensors", "load.py"] and found["checks"].keys() >= {"float32", "float64"}
    assert library in found["opens"]


def test_a_model_that_computes_something_else_is_found_and_nothing_is_written(library, holding, monkeypatch):
    run = holding(EncoderSpec("resnet18", 3, 16))
    of_library = getattr(networks, f"{library}_lines")

    def wrong(backbone):
        lines = of_library(backbone)
        return networks.Lines(lines.imports, (*lines.build, "model.layer4[1].bn2.eps = 0.1"))

    monkeypatch.setattr(registry.find("export", library, "format"), f"{library}_lines", wrong)
    with pytest.raises(LookalikeError, match=r"features differ from the run's by .* in float32"):
        base.export(run, library, threads=1)
    assert list((run.path / "export").iterdir()) == []


@pytest.mark.parametrize("name", ["convnet", "alexnet"])
def test_networks_that_the_library_lacks(library, name, holding):
    run = holding(EncoderSpec(name, 3, 32, 4))
    with pytest.raises(LookalikeError) as caught:
        base.export(run, library)
    said = str(caught.value)
    assert f"{library} has no model that {name} would fit" in said and "resnet18, resnet34 and resnet50" in said
    assert "atlas, huggingface, onnx, tensorboard" in said


def test_weights_of_another_shape_are_named(library, holding):
    run = holding(EncoderSpec("resnet18", 3, 16))
    weights = load_file(run.encoder)
    del weights["bn1.bias"]
    with safe_open(run.encoder, framework="pt") as file:
        metadata = file.metadata()
    save_file(weights, run.encoder, metadata)
    with pytest.raises(LookalikeError, match=r"does not fit resnet18: .*bn1.bias"):
        base.export(run, library)


@pytest.mark.parametrize("name", ["torchvision", "timm"])
def test_an_absent_library_gives_its_install_line(name, holding, monkeypatch):
    run = holding(EncoderSpec("resnet18", 3, 16))
    for loaded in [module for module in sys.modules if module.split(".")[0] == name]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(LookalikeError, match=rf"needs {name}.*pip install 'lookalike\[vision\]'"):
        base.export(run, name)


def test_a_torchvision_that_does_not_import_gives_the_install_line(tmp_path: Path, monkeypatch, holding):
    run = holding(EncoderSpec("resnet18", 3, 16))
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('compiled for another machine')")
    for loaded in [module for module in sys.modules if module.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LookalikeError, match=r"compiled for another machine\): pip install 'lookalike\[vision\]'"):
        base.export(run, "torchvision")
