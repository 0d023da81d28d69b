"""Everything at once does nothing twice."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from lookalike import api
from lookalike.cli.main import main
from lookalike.core.files import read_json
from lookalike.data.base import LoadConfig
from lookalike.data.padded import CenterCrops
from lookalike.engine.feature_extractor import FeatureExtractor


def test_features_of_all_images_are_computed_once_after_the_training(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    features, passes = FeatureExtractor.features, Counter[str]()
    run = api.RunFolder(tmp_path / "run")

    def counted(self, images, *comm):
        if isinstance(images, CenterCrops) and len(images) == 60:
            passes["after" if run.encoder.exists() else "before"] += 1
        return features(self, images, *comm)

    monkeypatch.setattr(FeatureExtractor, "features", counted)
    words = [str(photos), "--out", str(run.path), "--epochs=1", "--width=4", "--batch-size=20", "--threads=1"]
    assert main([*words, "--precision=float32", "--no-report"]) == 0
    assert passes["after"] == 2  # of the trained network, and of the untrained one it is compared with
    monkeypatch.undo()
    known = read_json(run.evaluation)
    again = api.evaluate(run, threads=1)
    assert {key: again[key] for key in ("knn", "linear", "random.knn")} == {
        key: known[key] for key in ("knn", "linear", "random.knn")
    }


def test_in_the_folder_of_the_images_again_and_again(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # a real run and its page, which take their time: what a walk must know is what they write
    here = tmp_path / "here"
    shutil.copytree(photos, here)
    monkeypatch.chdir(here)
    words = ["--epochs=1", "--width=4", "--batch-size=20", "--threads=1", "--precision=float32", "--cache=cache"]
    assert main([".", *words]) == 0
    run = api.RunFolder(Path("runs/simclr-here"))
    fingerprint = run.status().fingerprint
    assert main(["views", ".", "--images=2", "--views=2", "--cache=cache"]) == 0
    assert main([".", *words]) == 0
    shutil.copytree("runs", "runs of today")
    assert api.load_images(".", config=LoadConfig(cache="cache")).fingerprint == fingerprint
