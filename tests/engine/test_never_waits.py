"""A training step asks a GPU for nothing: on PyTorch's device without memory, which cannot answer.

Whatever needs a value from the device (`item`, `nonzero`, a mask as an index) fails there, and a copy to it that would
be waited for is caught. Numbers on the CPU may be looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fakes import tiny_options
from lookalike.api import untrained_backbone
from lookalike.augment.recipes import augmentation_names
from lookalike.contract.test_contract import GPU, Watching
from lookalike.core import registry
from lookalike.data.base import Images
from lookalike.engine import collection
from lookalike.engine.feature_extractor import FeatureExtractor, on_cpu, placed
from lookalike.engine.step import forward_backward
from lookalike.engine.views import Views
from lookalike.methods.base import Step
from lookalike.methods.find import find_method
from lookalike.objectives.nt_xent import _DENSE_ROWS
from lookalike.optim.groups import build_optimizer

N = 24


@pytest.fixture(autouse=True)
def _no_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # it does not know the device


def step_of(method: str, augment: str, resident: bool, **said: object) -> Iterator[Tensor]:
    """One step of a method on the device: losses, as the loop takes them."""
    options = tiny_options(method, augment=augment, norm="batch", momentum=0.9, **said)
    pixels = torch.randint(0, 256, (N, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = Images(pixels, tuple(map(str, range(N))), labels=torch.arange(N) % 3, classes=("a", "b", "c"))
    backbone: FeatureExtractor = untrained_backbone(options, images, GPU)
    learner = placed(find_method(method)(backbone.encoder, options, N, 3), GPU)
    views = Views(learner, backbone, options, images)
    if resident:  # as `resident` would have it on a GPU with room
        views.images = replace(images, pixels=pixels.to(GPU), known_digests=images.digests)
    optimizer = build_optimizer(learner, options.optimizer, 0.1, 0.9, 1e-4, learner.param_groups())
    targets_NH = torch.zeros(N, getattr(options, "heads", 1), dtype=torch.int64)
    with Watching() as watching:
        local_B = torch.arange(16)
        targets_BH = targets_NH[local_B].to(GPU, non_blocking=True)
        parts = views.parts(0, images.training[local_B])
        loss, z_BVP = forward_backward(learner, backbone, parts, targets_BH)
        optimizer.step()
        learner.on_step_end(Step(0, 9, 0.0, 0, z_BVP, local_B))
        yield loss
    assert watching.waited == []


@pytest.mark.parametrize("resident", [True, False], ids=["images on the device", "images on the CPU"])
@pytest.mark.parametrize("method", registry.names("methods"))
def test_a_step_of_a_method(method: str, resident: bool):
    (loss,) = step_of(method, "crop-flip", resident)
    assert loss.device.type == GPU


@pytest.mark.parametrize("optimizer", ["sgd", "lars", "adamw"])
def test_a_step_of_an_optimiser(optimizer: str):
    (loss,) = step_of("simclr", "crop", True, optimizer=optimizer)
    assert loss.device.type == GPU


def test_a_loss_over_tiles(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(_DENSE_ROWS, GPU, 9)
    (loss,) = step_of("simclr", "crop", True)
    assert loss.device.type == GPU


def test_what_waits_is_caught():
    x = torch.zeros(3, device=GPU)
    with pytest.raises(RuntimeError, match="(?i)meta"):
        x.sum().item()
    with pytest.raises(RuntimeError, match="(?i)meta"):
        x[x > 0]
    with Watching() as watching:
        torch.zeros(3).to(GPU)
        torch.zeros(2).to(GPU, non_blocking=True)
    assert watching.waited == ["(3,) torch.float32"]


@pytest.mark.parametrize("augment", augmentation_names())
def test_the_views_of_a_recipe(augment: str):
    (loss,) = step_of("simclr", augment, True)
    assert loss.device.type == GPU


def test_features_stay_on_the_device_where_there_is_room(monkeypatch: pytest.MonkeyPatch):
    parts = [torch.zeros(4, 8, device=GPU), torch.zeros(2, 8, device=GPU)]
    monkeypatch.setattr(collection, "free_bytes", lambda device: 8 * 6 * 8 * 4 + 1)
    assert collection._joined(iter(parts), 6).device.type == GPU
    monkeypatch.setattr(collection, "free_bytes", lambda device: 8 * 6 * 8 * 4)
    monkeypatch.setattr(collection, "on_cpu", lambda blocks: [torch.ones(len(block), 8) for block in blocks])
    assert torch.equal(collection._joined(iter(parts), 6), torch.ones(6, 8))


def test_blocks_are_fetched_in_their_order():
    parts = [torch.full((2, 3), float(i)) for i in range(70)]
    assert torch.equal(torch.cat(on_cpu(iter(parts))), torch.cat(parts))
