"""`load(RUN)`: features, search, the network as a plain module, the page; runs that lack something."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import lookalike
from lookalike.core.errors import LookalikeError
from lookalike.run import Run
from lookalike.runs.folder import RunFolder


@pytest.fixture(scope="module")
def run(photo_run: Path) -> Run:
    return lookalike.load(photo_run)


def test_what_the_run_holds(run: Run, photo_run: Path):
    assert run.settings["method"] == "simclr"
    assert isinstance(run.features, np.memmap) and run.features.shape == (60, 128)
    assert len(run.index) == 60 and run.index[0]["path"] == "blue/000.png"
    assert run.labels[::20] == ["blue", "green", "red"]
    assert [event["epoch"] for event in run.metrics("epoch")] == [1, 2]
    assert {"epoch", "look"} <= {event["event"] for event in run.metrics()}
    assert "simclr, finished" in repr(run)
    assert repr(lookalike.load(RunFolder(photo_run))) == repr(run)


def test_embedding_a_run_s_own_images_gives_its_features(run: Run, photos: Path):
    assert np.allclose(run.embed(photos), run.features, atol=1e-6)
    assert np.allclose(run.embed(photos / "blue" / "004.png"), run.features[4:5], atol=1e-6)
    with Image.open(photos / "blue" / "004.png") as image:
        for form in (image, [image], np.asarray(image), torch.from_numpy(np.array(image))):
            assert np.allclose(run.embed(form), run.features[4:5], atol=1e-6)


def test_the_encoder_is_a_plain_module_that_takes_what_preprocess_gives(run: Run, photos: Path):
    assert isinstance(run.encoder, nn.Module) and not run.encoder.training
    x = run.preprocess([photos / "red" / "000.png", photos / "red" / "001.png"])
    assert x.shape == (2, 3, 20, 20) and x.dtype == torch.float32
    with torch.no_grad():
        assert np.allclose(run.encoder(x).numpy(), run.features[40:42], atol=1e-6)


def test_search_finds_an_image_itself_then_its_likes(run: Run, photos: Path):
    hits = run.search(photos / "green" / "007.png", n=5)
    assert [hits[0].path, hits[0].row, hits[0].label] == ["green/007.png", 27, "green"]
    assert hits[0].similarity == pytest.approx(1, abs=1e-5) and hits[0].distance == 1 - hits[0].similarity
    assert len(hits) == 5 and hits == sorted(hits, key=lambda hit: hit.distance)
    many = run.search([photos / "green" / "007.png", photos / "red" / "001.png"], n=3)
    assert [found[0].path for found in many] == ["green/007.png", "red/001.png"]
    assert [hit.row for hit in many[0]] == [hit.row for hit in hits[:3]]
    assert run.search_features(run.features[27], n=5)[0] == run.search_features(run.features[27:28], n=5)[0]
    assert len(run.search(photos / "red", n=100)) == 20 and len(run.search(photos / "red", n=100)[0]) == 60


def test_grey_images_are_converted_and_it_is_said(run: Run, photos: Path):
    with Image.open(photos / "red" / "000.png") as image, pytest.warns(UserWarning, match="grey images"):
        run.search(image.convert("L"))


def test_the_page_is_written_when_it_is_absent_or_old(photo_run: Path, tmp_path: Path):
    copy = tmp_path / "run"
    shutil.copytree(photo_run, copy)
    (copy / "report.html").unlink(missing_ok=True)
    run = lookalike.load(copy)
    page = run.report()
    assert page.path == copy / "report.html" and str(page.path) in repr(page)
    written = page.path.stat().st_mtime_ns
    assert run.report().path.stat().st_mtime_ns == written
    (copy / "clusters.json").write_text("{}")
    assert run.report().path.stat().st_mtime_ns > written
    shown = run._repr_html_()
    assert shown.startswith("<iframe srcdoc=") and shown.count("<") == 2 and len(shown) < 2_000_000


def test_a_page_with_a_folder_of_sheets_is_shown_in_one_piece(photo_run: Path, tmp_path: Path):
    copy = tmp_path / "run"
    shutil.copytree(photo_run, copy)
    page = lookalike.load(copy).report()
    (copy / "report").mkdir()
    page.path.write_text("its sheets lie beside it")
    assert "data:image/jpeg;base64," in page.html()


@pytest.mark.parametrize("name", ["config.toml", "run.json"])
def test_a_folder_that_is_no_run(photo_run: Path, tmp_path: Path, name: str):
    with pytest.raises(LookalikeError, match="no run folder: there is no such folder"):
        lookalike.load(tmp_path / "nowhere")
    copy = tmp_path / "run"
    shutil.copytree(photo_run, copy)
    (copy / name).unlink()
    with pytest.raises(LookalikeError, match="no run folder"):
        lookalike.load(copy)


def test_a_run_that_was_interrupted_says_what_is_missing(photo_run: Path, tmp_path: Path):
    copy = tmp_path / "run"
    shutil.copytree(photo_run, copy)
    for name in ("embeddings.npy", "encoder.safetensors"):
        (copy / name).unlink()
    run = lookalike.load(copy)
    with pytest.raises(LookalikeError, match=r"embeddings.npy is not there; let the training finish"):
        _ = run.features
    with pytest.raises(LookalikeError, match="has the run finished its first epoch"):
        _ = run.encoder
    (copy / "index.csv").unlink()
    with pytest.raises(LookalikeError, match=r"cannot read .*index.csv"):
        _ = run.labels


def test_a_size_that_is_no_integer_is_refused_before_training():
    with pytest.raises(TypeError, match="image_size must be an integer, got '32'"):
        lookalike.train("simclr", np.zeros((4, 8, 8, 3), np.uint8), image_size="32")
