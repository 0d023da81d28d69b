"""The demonstration again, in a folder where it was before."""

from pathlib import Path

import pytest
import torch

from lookalike import api, demo
from lookalike.api import evaluating
from lookalike.data.loading import load
from lookalike.evaluate.protocol import Scores


def test_again_after_an_evaluation_without_baselines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(demo, "METHODS", {"simclr": "SimCLR"})
    monkeypatch.setattr(evaluating, "measure", lambda *_: Scores(0.5, 0.6, 1.0, None, None))  # which takes its time
    images = load("digits").of_rows(torch.arange(60))
    monkeypatch.setattr(demo, "load_images", lambda name: images)
    options = {"epochs": 1, "width": 4, "batch_size": 20, "precision": "float32"}
    first = demo.run_demo(str(tmp_path / "demo"), 0, 1, **options)
    api.evaluate(api.RunFolder(tmp_path / "demo"), images=images, baselines=False, threads=1)
    again = demo.run_demo(str(tmp_path / "demo"), 0, 1, **options)
    assert again["rows"] == first["rows"] and again["rows"]["pixels"]["knn"] == 0.5
