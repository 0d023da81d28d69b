"""A run evaluated on other data than it was trained on; images converted where that is sound, and said so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.cli.main import main
from lookalike.core.files import read_json


def folder(place: Path, n: int, size: tuple[int, int], channels: int = 3, seed: int = 1) -> Path:
    """Bright and dark images in class folders."""
    generator = np.random.default_rng(seed)
    for name, level in (("bright", 150), ("dark", 0)):
        (place / name).mkdir(parents=True)
        for i in range(n):
            shape = (*size, channels) if channels > 1 else size
            pixels = level + generator.integers(0, 100, shape, dtype=np.uint8)
            Image.fromarray(pixels.astype(np.uint8)).save(place / name / f"{i:02d}.png")
    return place


def evaluate(run: Path, data: Path, capsys: pytest.CaptureFixture) -> tuple[dict, str]:
    assert main(["evaluate", str(run), "--data", str(data), "--json", "--threads=1"]) == 0
    said = capsys.readouterr()
    return json.loads(said.out), said.err


def test_figures_on_other_data_stand_beside_those_of_the_run(photo_run: Path, tmp_path: Path, capsys):
    before = read_json(photo_run / "run.json")
    found, _ = evaluate(photo_run, folder(tmp_path / "others", 40, (30, 24)), capsys)
    assert {"knn", "linear", "random.knn", "pixels.linear", "cluster.accuracy"} <= found.keys()
    assert found["knn"] > 0.9
    protocol = found["protocol"]
    assert protocol["data"] == str(tmp_path / "others")
    assert protocol["training_saw"].startswith("other data: ")
    assert protocol["converted"] == ""
    assert protocol["learning_rows"] + protocol["test_rows"] == 80
    assert read_json(photo_run / "evaluations" / "others.json") == found
    assert not (photo_run / "evaluation.json").exists()
    assert read_json(photo_run / "run.json") == before


def test_other_data_of_one_name_is_not_written_over(photo_run: Path, tmp_path: Path, capsys):
    one, _ = evaluate(photo_run, folder(tmp_path / "a" / "same", 30, (20, 20)), capsys)
    evaluate(photo_run, folder(tmp_path / "b" / "same", 30, (20, 20), seed=2), capsys)
    assert read_json(photo_run / "evaluations" / "same.json") == one
    assert len(list((photo_run / "evaluations").glob("same-*.json"))) == 1


def test_grey_images_are_converted_and_that_is_said(photo_run: Path, tmp_path: Path, capsys):
    found, said = evaluate(photo_run, folder(tmp_path / "greys", 40, (16, 16), channels=1), capsys)
    assert "each channel is the grey" in said
    assert "each channel is the grey" in found["protocol"]["converted"]
    assert main(["embed", str(photo_run), str(tmp_path / "greys"), "--threads=1"]) == 0
    assert "each channel is the grey" in capsys.readouterr().err
    assert np.load(photo_run / "embeddings" / "greys" / "embeddings.npy").shape[0] == 80


def test_channels_that_mean_something_else_are_refused(photo_run: Path, tmp_path: Path, capsys):
    np.save(tmp_path / "five.npy", np.zeros((8, 5, 20, 20), np.uint8))
    assert main(["embed", str(photo_run), str(tmp_path / "five.npy"), "--threads=1"]) == 2
    assert "only grey and colour" in capsys.readouterr().err


def test_sixteen_bits_are_brought_to_eight_by_what_is_in_an_image(photo_run: Path, tmp_path: Path):
    levels = np.random.default_rng(0).integers(0, 256, (4, 20, 20), dtype=np.uint16)
    found = []
    for name, factor in (("twelve", 16), ("sixteen", 256)):
        (tmp_path / name).mkdir()
        for i, image in enumerate(levels * factor):
            Image.fromarray(image).save(tmp_path / name / f"{i}.png")
        out = tmp_path / f"{name}-features"
        assert main(["embed", str(photo_run), str(tmp_path / name), "--out", str(out), "--threads=1"]) == 0
        found.append(np.load(out / "embeddings.npy"))
    assert np.array_equal(*found)
    assert np.isfinite(found[0]).all() and len(np.unique(found[0], axis=0)) == 4


def test_without_labels_there_is_nothing_to_measure(photo_run: Path, photos: Path, tmp_path: Path, capsys):
    assert main(["evaluate", str(photo_run), "--data", str(photos / "red"), "--threads=1"]) == 2
    assert "has no labels to evaluate against" in capsys.readouterr().err


def test_the_table_says_what_it_is_of(photo_run: Path, photos: Path, capsys):
    assert main(["evaluate", str(photo_run), "--data", str(photos), "--threads=1", "--no-baselines"]) == 0
    said = capsys.readouterr().out
    assert f"on {photos}; training saw these images" in said
    assert "this network" in said
    assert "pixels" not in said.replace(str(photos), "")
