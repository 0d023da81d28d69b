"""The ONNX file takes pixels of any size and number, and gives the run's features."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import lookalike
from lookalike.cli.main import main
from lookalike.core.errors import LookalikeError
from lookalike.encoders.base import EncoderSpec
from lookalike.export import base
from lookalike.export.onnx import FromPixels

TOLERANCE = 1e-4
onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def exported(photo_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("onnx") / "of run"
    return lookalike.load(photo_run, "cpu").export("onnx", out)


@pytest.fixture(scope="module")
def session(exported):
    return runtime.InferenceSession(str(exported.folder / "encoder.onnx"), providers=["CPUExecutionProvider"])


def test_the_run_s_images_have_the_run_s_features(session, exported, photo_run, photos):
    run = lookalike.load(photo_run, "cpu")
    assert exported.checks["features"] <= TOLERANCE
    rows = range(0, 60, 7)
    pixels = np.stack([np.asarray(Image.open(photos / run.index[i]["path"]).convert("RGB")) for i in rows])
    found = session.run(None, {"images": pixels})[0]
    assert found.dtype == np.float32 and np.allclose(found, run.features[list(rows)], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize(("height", "width"), [(20, 20), (40, 64), (80, 40), (10, 10)])
def test_batches_and_sizes(session, photo_run, n, height, width):
    run = lookalike.load(photo_run, "cpu")
    images = np.random.default_rng(n).integers(0, 256, (n, height, width, 3), dtype=np.uint8)
    found = session.run(None, {"images": images})[0]
    with torch.no_grad():
        same = FromPixels(run.backbone)(torch.from_numpy(images)).numpy()
    assert found.shape == (n, 128)
    assert np.allclose(found, same, rtol=0, atol=TOLERANCE)
    if max(height, width) <= 40:  # larger arrays are brought to twice the network's size first
        assert np.allclose(found, run.embed(images), rtol=0, atol=TOLERANCE)


def test_the_printed_lines_run_as_they_stand(exported, photos, tmp_path, monkeypatch):
    Image.open(photos / "red" / "000.png").save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(exported.snippet, names)
    assert names["features"].shape == (1, 128)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "precision"),
    [
        (EncoderSpec("alexnet", 3, 32, 4), "float32"),
        (EncoderSpec("resnet18", 1, 16), "float32"),
        (EncoderSpec("convnet", 5, 36, 4, norm="group"), "float64"),
    ],
    ids=lambda value: value.name if isinstance(value, EncoderSpec) else value,
)
def test_every_kind_of_network(spec, precision, holding):
    found = base.export(holding(spec, precision), "onnx", threads=1)  # it has compared them, or raised
    assert found.checks["features"] <= TOLERANCE


def test_a_difference_is_found_and_nothing_is_written(exported, photo_run, tmp_path, monkeypatch):
    wrong = onnx.load(exported.folder / "encoder.onnx")
    del wrong.metadata_props[:]  # an export adds them
    mean = next(tensor for tensor in wrong.graph.initializer if tensor.name == "mean")
    mean.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(mean) + np.float32(0.05), "mean"))
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: SimpleNamespace(model_proto=wrong))
    with pytest.raises(LookalikeError, match=r"features of 1 image of 20 x 20 pixels differ .* nothing was written"):
        lookalike.load(photo_run, "cpu").export("onnx", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["onnx", "onnxruntime", "onnxscript"])
def test_an_absent_library_gives_its_install_line(name, photo_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, name, None)
    assert main(["export", str(photo_run), "--to", "onnx", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert f"needs {name}," in said and "pip install 'lookalike[onnx]'" in said
    assert list(tmp_path.iterdir()) == []
