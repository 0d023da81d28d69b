"""The estimators on images: forms of input, parameters, pickles, pipelines, and what is said when things are wrong."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch import nn

import lookalike
from fakes import after_steps, signal_after
from lookalike import DeepCluster, DeepClusterV2, SimCLR, Supervised
from lookalike.core.errors import LookalikeError
from lookalike.engine.loop import Trainer
from lookalike.inputs import InputError
from lookalike.methods import deepcluster, simclr
from lookalike.runs.folder import RunFolder

TINY: dict[str, Any] = {"epochs": 1, "width": 4, "batch_size": 16, "precision": "float32", "threads": 1}
QUICK = {**TINY, "snapshots": False}


def patterns(n: int = 40, side: int = 12, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images uint8 [n, side, side, channels], bright above or below, and which."""
    generator = np.random.default_rng(0)
    y = np.arange(n) % 2
    x = generator.integers(0, 60, (n, side, side, channels), dtype=np.uint8)
    for i, c in enumerate(y):
        x[i, c * side // 2 : (c + 1) * side // 2] += 150
    return x, y


@pytest.fixture(scope="module")
def fitted() -> SimCLR:
    return SimCLR(**QUICK).fit(patterns(channels=3)[0])


# -- inputs -----------------------------------------------------------------------------------------


def test_all_forms_of_the_same_images_give_the_same_features(tmp_path: Path):
    x, _ = patterns(channels=3)
    names = []
    for i, image in enumerate(x):
        names.append(str(tmp_path / f"{i:03d}.png"))
        Image.fromarray(image).save(names[-1])
    np.save(tmp_path / "images.npy", x)
    forms = {
        "array": x,
        "channels first": x.transpose(0, 3, 1, 2),
        "tensor": torch.from_numpy(x).permute(0, 3, 1, 2),
        "float": x / 255,
        "paths": names,
        "Path objects": [Path(name) for name in names],
        "PIL": [Image.fromarray(image) for image in x],
        "list of arrays": list(x),
        "data set": [(Image.fromarray(image), 0) for image in x],
        "folder": tmp_path,
        "file": str(tmp_path / "images.npy"),
    }
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "images.npy").rename(tmp_path / "elsewhere" / "images.npy")
    forms["file"] = str(tmp_path / "elsewhere" / "images.npy")
    expected = SimCLR(**QUICK).fit_transform(x)
    assert expected.shape == (40, 32) and expected.dtype == np.float32
    for name, form in forms.items():
        model = SimCLR(**QUICK)
        assert np.array_equal(model.fit_transform(form), expected), name
        assert np.allclose(model.transform(form), expected, atol=1e-6), name
        assert model.n_features_in_ == 12 * 12 * 3


@pytest.mark.parametrize("shape", [(12, 12), (1, 12, 12), (12, 12, 1)])
def test_rows_with_a_shape_are_images(shape: tuple[int, ...]):
    x, _ = patterns()
    rows = SimCLR(**QUICK, image_shape=shape).fit(x.reshape(40, -1))
    assert np.allclose(rows.transform(x.reshape(40, -1)), SimCLR(**QUICK).fit_transform(x), atol=1e-6)
    assert rows.n_features_in_ == 144


def test_rows_without_a_shape_lie_in_the_smallest_square():
    model = SimCLR(**QUICK).fit(np.random.default_rng(0).normal(size=(20, 30)))
    assert model._backbone.spec.image_size == 6
    assert model.scale_ is not None and model.scale_.low < 0 < model.scale_.high


@pytest.mark.parametrize("change", [lambda x: x * 16 / 255, lambda x: x.astype(np.int64) - 300, lambda x: x > 100])
def test_numbers_are_scaled_by_the_range_found_at_fit(change: Any):
    x = change(patterns()[0])
    model = SimCLR(**QUICK).fit(x)
    whole = model.transform(x)
    assert np.allclose(model.transform(x[3:4]), whole[3:4], atol=1e-6)  # its own range would be another


def test_images_of_other_size_and_channels_are_converted_and_it_is_said(fitted: SimCLR):
    grey, _ = patterns()
    with pytest.warns(UserWarning, match="grey images were given to a network for colour"):
        assert fitted.transform(grey).shape == (40, 32)
    model = SimCLR(**QUICK).fit(grey)
    with pytest.warns(UserWarning, match="colour images were given to a network for grey ones"):
        colour = model.transform(np.repeat(grey, 3, axis=3))
    assert np.allclose(colour, model.transform(grey), atol=1e-6)  # equal channels are that grey
    assert fitted.transform(patterns(side=24, channels=3)[0]).shape == (40, 32)
    modes = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16")
    assert fitted.transform([Image.new(mode, (30, 20)) for mode in modes]).shape == (len(modes), 32)
    assert fitted.transform(torch.zeros(2, 3, 12, 12, dtype=torch.bfloat16)).shape == (2, 32)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((3, 12, 12, 5), np.uint8), "3 channels, these have 5"),
        (np.zeros((3, 2, 12, 12), np.uint8), "3 channels, these have 2"),
        (np.full((3, 12, 12, 3), 7.0), r"must lie in \[0, 1\] here, got 7 to 7"),
        (np.full((3, 12, 12, 3), 300), r"must lie in 0..255 here"),
        (np.full((3, 12, 12, 3), np.nan), "NaN or infinity"),
        (np.zeros((3, 12, 12, 3), complex), "must be numbers"),
        (np.zeros((3, 432)), "fitted to images, and these are rows of numbers"),
        (np.zeros((3, 12, 12, 3, 1)), r"rows of numbers"),
        ([], "rows of numbers|empty"),
        (["nowhere.png"], r"cannot read the image nowhere.png: No such file"),
        ("nowhere/at/all", "no such folder or file"),
        ([None, None], "no image in row 0 and 1 more"),
        (iter([]), "the sequence is empty"),
        (7, "rows of numbers|is not taken as images"),
    ],
)
def test_what_is_no_image_of_this_kind_is_refused_in_words(fitted: SimCLR, X: Any, message: str):
    with pytest.raises(ValueError, match=message) as caught:
        fitted.transform(X)
    assert isinstance(caught.value, LookalikeError)


@pytest.mark.parametrize("kind", [SimCLR, DeepCluster, DeepClusterV2, Supervised])
def test_nothing_before_fit(kind: type):
    for verb in ("transform", "predict", "predict_proba", "report", "score", "get_feature_names_out"):
        if hasattr(kind, verb):
            with pytest.raises(NotFittedError):
                getattr(kind(), verb)(*([] if verb in ("report", "get_feature_names_out") else [patterns()[0]]))


# -- parameters -------------------------------------------------------------------------------------


def test_every_option_is_a_parameter_and_is_documented():
    parameters = SimCLR().get_params()
    assert parameters["temperature"] is None and parameters["device"] == "auto"
    assert {"random_state", "image_shape", "out", "verbose"} <= set(parameters)
    assert not {"seed", "data", "report"} & set(parameters)
    for name in parameters:
        assert f"    {name}: " in (SimCLR.__doc__ or "")
    assert {"n_clusters", "training_clusters"} <= set(DeepCluster().get_params())
    with pytest.raises(TypeError, match="did you mean 'epochs'"):
        SimCLR(epoch=3)


def test_none_leaves_it_to_the_recipe_and_anything_else_is_meant():
    model = SimCLR(**QUICK).fit(patterns()[0])
    settings = model.run_.settings()
    assert settings["preset"] == "digits" and settings["temperature"] == 0.5  # the recipe's, not the dataclass's
    said = SimCLR(**QUICK, temperature=simclr.Options().temperature).fit(patterns()[0])
    assert said.run_.settings()["temperature"] == 0.2  # the dataclass's default, said on purpose
    assert DeepCluster(**QUICK, training_clusters=7, n_clusters=2).fit(patterns()[0]).run_.settings()["n_clusters"] == 7
    assert deepcluster.Options().n_clusters == 100


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epochs": -1}, "^epochs must be at least 0"),
        ({"batch_size": 1}, "^batch_size must be at least 2"),
        ({"encoder": "resnet8"}, "did you mean 'resnet18'"),
        ({"epochs": "many"}, "wrong type"),
        ({"lr": -1, "temperature": 0.0}, "lr must be positive, got -1; temperature must be positive"),
    ],
)
def test_parameters_that_cannot_be_are_said_by_name(parameters: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        SimCLR(**{**QUICK, **parameters}).fit(patterns()[0])


def test_clusters_that_cannot_be():
    x, _ = patterns()
    with pytest.raises(ValueError, match="training_clusters 50 is more than the 40 training images"):
        DeepCluster(**QUICK, training_clusters=50, n_clusters=2).fit(x)
    for k, message in ((41, "n_samples=40 is less than n_clusters=41"), ("two", "whole number"), (0, "whole number")):
        with pytest.raises(ValueError, match=message):
            DeepCluster(**QUICK, n_clusters=k).fit(x)


def test_few_images_are_one_batch_and_a_default_batch_is_warned_of():
    x, _ = patterns(10)
    assert SimCLR(**QUICK).fit(x).run_.settings()["batch_size"] == 10
    with pytest.warns(UserWarning, match="10 images are few to learn from"):
        SimCLR(**{**QUICK, "batch_size": None}).fit(x)
    with pytest.raises(ValueError, match="n_samples=1"):
        SimCLR(**QUICK).fit(x[:1])


def test_random_state():
    x, _ = patterns()
    one = SimCLR(**QUICK, random_state=1).fit_transform(x)
    assert np.array_equal(one, SimCLR(**QUICK, random_state=1).fit_transform(x))
    assert not np.array_equal(one, SimCLR(**QUICK, random_state=2).fit_transform(x))
    drawn = [SimCLR(**QUICK, random_state=np.random.RandomState(3)).fit_transform(x) for _ in range(2)]
    assert np.array_equal(*drawn)
    free = [SimCLR(**QUICK, random_state=None).fit_transform(x) for _ in range(2)]
    assert not np.array_equal(*free)


def test_a_stop_stops_python_and_a_folder_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    x, _ = patterns()

    def stop(trainer: Trainer) -> None:
        if trainer.step > trainer.batches:  # in the second epoch
            os.kill(os.getpid(), signal.SIGINT)

    model = SimCLR(**{**QUICK, "epochs": 3}, out=tmp_path / "run")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt, match="the state is saved"):
        after_steps(patched, stop)
        model.fit(x)
    assert model.fit(x).run_.status().status == "finished"
    assert np.array_equal(model.transform(x), SimCLR(**{**QUICK, "epochs": 3}).fit_transform(x))


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_search_over_parameters_stops_too(
    number: int, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    """scikit-learn goes on with the next fit after any error of one."""
    x, y = patterns()
    fits: list[float] = []
    fit = Trainer.fit
    monkeypatch.setattr(Trainer, "fit", lambda self, *words: (fits.append(self.options.temperature), fit(self, *words)))
    signal_after(monkeypatch, 1, number)
    model = make_pipeline(SimCLR(**{**QUICK, "epochs": 3}), LogisticRegression())
    search = GridSearchCV(model, {"simclr__temperature": [0.1, 0.5]}, cv=2)
    with pytest.raises(kind, match="the state is saved") as stopped:
        search.fit(x, y)
    assert number == signal.SIGTERM or stopped.type is KeyboardInterrupt  # for no other Python ends by the signal
    assert fits == [0.1]


def test_silent_unless_asked(capsys: pytest.CaptureFixture):
    SimCLR(**QUICK).fit(patterns()[0])
    assert capsys.readouterr() == ("", "")
    SimCLR(**QUICK, verbose=1).fit(patterns()[0])
    assert "epoch 1/1" in capsys.readouterr().out


def test_threads_are_left_as_they_were():
    before = torch.get_num_threads()
    SimCLR(**{**QUICK, "threads": before + 1}).fit(patterns()[0])
    assert torch.get_num_threads() == before


# -- folders and pickles ----------------------------------------------------------------------------


def test_a_temporary_run_goes_with_its_estimator():
    model = SimCLR(**QUICK).fit(patterns()[0])
    folder = model.run_.path
    assert isinstance(model.run_, RunFolder) and (folder / "encoder.safetensors").is_file()
    del model
    gc.collect()
    assert not folder.exists()


def test_a_run_folder_stays_and_is_gone_on_with(tmp_path: Path):
    x, _ = patterns()
    model = SimCLR(**QUICK, out=tmp_path / "run").fit(x)
    features = model.transform(x)
    begun = model.run_.status().started
    again = SimCLR(**QUICK, out=tmp_path / "run").fit(x)
    assert again.run_.status().started == begun and np.array_equal(again.transform(x), features)
    run = lookalike.load(tmp_path / "run")
    assert np.array_equal(run.embed(x), features) and np.array_equal(run.features, features)
    with pytest.raises(ValueError, match="run of another configuration"):
        SimCLR(**{**QUICK, "epochs": 2}, out=tmp_path / "run").fit(x)


@pytest.mark.parametrize("kind", [SimCLR, DeepCluster, DeepClusterV2, Supervised])
def test_pickles_and_copies_work_without_the_folder(kind: type):
    x, y = patterns()
    more = {"n_clusters": 2} if "n_clusters" in kind().get_params() else {}
    model = kind(**QUICK, **more).fit(x, y)
    data = pickle.dumps(model)
    features, predicted = model.transform(x), model.predict(x) if hasattr(model, "predict") else None
    copied = copy.deepcopy(model)
    del model
    gc.collect()
    for other in (pickle.loads(data), copied):
        assert np.array_equal(other.transform(x), features)
        if predicted is not None:
            assert np.array_equal(other.predict(x), predicted)
        assert isinstance(other.encoder_, nn.Module) and not other.encoder_.training
        assert not hasattr(other, "run_")
        with pytest.raises(LookalikeError, match="without its run folder"):
            other.report()
    assert not hasattr(clone(copied), "encoder_")


def test_a_network_of_ones_own():
    network = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    before = copy.deepcopy(network.state_dict())
    x, _ = patterns()
    model = SimCLR(**{**QUICK, "lr": 0.5}, encoder=network).fit(x)
    assert model.transform(x).shape == (40, 6)
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())  # parameters stay as given
    assert any(not torch.equal(t, before[name]) for name, t in model.encoder_.state_dict().items())
    assert np.array_equal(pickle.loads(pickle.dumps(model)).transform(x), model.transform(x))


def test_transform_leaves_no_trace_and_no_row_depends_on_another(fitted: SimCLR):
    x, _ = patterns(channels=3)
    weights = {name: t.clone() for name, t in fitted.encoder_.state_dict().items()}
    whole = fitted.transform(x)
    assert np.allclose(fitted.transform(x[::-1])[::-1], whole, atol=1e-6)
    assert np.allclose(np.concatenate([fitted.transform(x[i : i + 1]) for i in range(8)]), whole[:8], atol=1e-6)
    assert all(torch.equal(t, weights[name]) for name, t in fitted.encoder_.state_dict().items())


# -- what they find, and company --------------------------------------------------------------------


@pytest.mark.parametrize("kind", [DeepCluster, DeepClusterV2])
def test_groups(kind: type):
    x, y = patterns()
    model = kind(**{**QUICK, "epochs": 3}, n_clusters=2)
    labels = model.fit_predict(x)
    assert (
        labels.dtype == np.int64 and np.array_equal(labels, model.labels_) and np.array_equal(labels, model.predict(x))
    )
    assert max((labels == y).mean(), (labels != y).mean()) == 1
    assert model.cluster_centers_.shape == (2, 32)
    assert [int(row["cluster"]) for row in lookalike.load(model.run_).index] == labels.tolist()  # as the page shows
    proposed = kind(**QUICK, n_clusters="auto").fit(x)
    assert len(proposed.cluster_centers_) == len(np.unique(proposed.labels_)) >= 2


def test_classes_may_be_words_and_come_from_folders(photos: Path):
    x, y = patterns()
    words = np.array(["above", "below"])[y]
    views = {"augment": "crop-flip", "crop_min": 1.0, "lr": 1.0, "warmup": 0.0}
    model = Supervised(**{**QUICK, "epochs": 5}, **views).fit(x, words)
    assert model.classes_.tolist() == ["above", "below"] and model.score(x, words) > 0.9
    assert np.allclose(model.predict_proba(x).sum(1), 1) and model.predict(x[:2]).tolist() == ["above", "below"]
    folder = Supervised(**{**QUICK, "epochs": 3}).fit(photos)
    assert folder.classes_.tolist() == ["blue", "green", "red"] and folder.score(photos) > 0.5
    assert folder.run_.status().training_images == 60  # none is held out
    with pytest.raises(ValueError, match="one class only"):
        Supervised(**QUICK).fit(x, np.zeros(40))
    with pytest.raises(ValueError, match="y has 39 labels for 40 images"):
        Supervised(**QUICK).fit(x, y[:-1])
    with pytest.raises(ValueError, match="requires y to be passed"):
        Supervised(**QUICK).fit(x)


def test_pipelines_and_grids():
    x, y = patterns()
    pipeline = make_pipeline(SimCLR(**QUICK), LogisticRegression(max_iter=1000))
    grid = GridSearchCV(pipeline, {"simclr__temperature": np.array([0.2, 0.5]), "simclr__epochs": [1]}, cv=2)
    grid.fit(x, y)
    assert grid.best_score_ > 0.9 and grid.best_estimator_[0].run_.settings()["temperature"] in (0.2, 0.5)
    rows = GridSearchCV(clone(pipeline).set_params(simclr__image_shape=(12, 12)), {"simclr__width": [4]}, cv=2)
    assert rows.fit(x.reshape(40, -1), y).best_score_ > 0.9
    assert grid.best_estimator_[0].get_feature_names_out()[:2].tolist() == ["simclr0", "simclr1"]


def test_set_output():
    pandas = pytest.importorskip("pandas", reason="no pandas")
    x, _ = patterns()
    frame = (
        SimCLR(**QUICK, image_shape=(12, 12))
        .set_output(transform="pandas")
        .fit_transform(pandas.DataFrame(x.reshape(40, -1), columns=[f"pixel{i}" for i in range(144)]))
    )
    assert list(frame.columns[:2]) == ["simclr0", "simclr1"]


def test_the_package_is_light_until_it_is_used():
    assert {"SimCLR", "DeepCluster", "DeepClusterV2", "Supervised", "load"} <= set(dir(lookalike))
    with pytest.raises(AttributeError, match="no attribute 'SimCRL'"):
        _ = lookalike.SimCRL
    import subprocess

    code = "import sys, lookalike; print([m for m in ('torch', 'sklearn', 'numpy', 'PIL') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_input_errors_are_value_errors():
    assert issubclass(InputError, ValueError) and issubclass(InputError, LookalikeError)
