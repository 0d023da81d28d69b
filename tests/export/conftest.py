"""Runs to export: one that is trained, and others that hold a network of another kind in its place."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from lookalike.encoders.base import EncoderSpec, build_encoder
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.runs.folder import RunFolder


@pytest.fixture(scope="session")
def resnet_run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of one epoch of a ResNet-18 on `photos`."""
    from lookalike.cli.main import main

    out = tmp_path_factory.mktemp("runs") / "resnet"
    words = ["train", "simclr", str(photos), "--out", str(out), "--encoder=resnet18", "--epochs=1", "--threads=1"]
    assert main([*words, "--batch-size=20", "--precision=float32", "--no-report"]) == 0
    return out


@cache
def network(spec: EncoderSpec, precision: str = "float32") -> FeatureExtractor:
    """A network of which every tensor matters: statistics and affine parameters are none that a layer begins with.

    It is only saved, so that many tests may have the same one.
    """
    encoder = build_encoder(spec, 1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in encoder.modules():
            if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.1, generator=generator)
        encoder.train()
        for _ in range(2):
            encoder(torch.randn(8, spec.channels, spec.image_size, spec.image_size, generator=generator))
    values = [0.1 + 0.07 * channel for channel in range(spec.channels)]
    if precision == "float64":
        encoder.double()
    mean, std = tuple(values), tuple(0.2 + value for value in values)
    return FeatureExtractor(encoder.eval(), spec, mean, std, precision)


@pytest.fixture
def holding(photo_run: Path, tmp_path: Path) -> Callable[..., RunFolder]:
    """Makes a copy of a small run that holds another network."""

    def made(spec: EncoderSpec, precision: str = "float32") -> RunFolder:
        copy = tmp_path / f"run-{spec.name}"
        shutil.copytree(photo_run, copy)
        run = RunFolder(copy)
        network(spec, precision).save(run.encoder, "simclr")
        return run

    return made
