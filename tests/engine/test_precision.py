"""Every method trains with every augmentation, channels of any number, in both precisions, on any machine.

Where a CPU has no bfloat16, PyTorch computes it by other means: slower, and as true as where it has.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from fakes import tiny_options
from lookalike import api
from lookalike.augment.recipes import augmentation_names
from lookalike.core import machine, registry
from lookalike.core.metrics import read_metrics
from lookalike.core.process import threads_kept
from lookalike.data.base import Images
from lookalike.engine.events import EpochEnd, Observer
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.engine.loop import Trainer
from lookalike.engine.run_folder import RunFolder
from lookalike.engine.step import forward_backward
from lookalike.engine.views import Views
from lookalike.methods.find import find_method

METHODS = registry.names("methods")
PRECISIONS = ("float32", "bf16")
N = 32


def pictures(channels: int, sizes: bool = False) -> Images:
    """Noise of two classes; images of differing size on canvases of 24 px with `sizes`, else squares of 16 px."""
    generator = torch.Generator().manual_seed(channels)
    side = 24 if sizes else 16
    pixels = torch.randint(0, 256, (N, channels, side, side), dtype=torch.uint8, generator=generator)
    return Images(
        pixels,
        tuple(f"{i}.png" for i in range(N)),
        labels=torch.arange(N) % 2,
        classes=("a", "b"),
        sizes=torch.randint(12, side + 1, (N, 2), generator=generator) if sizes else None,
        side=16 if sizes else None,
    )


def train(method: str, images: Images, out: Path, **said: object) -> RunFolder:
    """Two steps of a tiny network."""
    said = {"norm": "batch", "batch_size": N // 2, "epochs": 1, **said}
    quiet = {"threads": 1, "snapshots": False, "report": False}
    return api.train(method, tiny_options(method, data="noise", out=str(out), **quiet, **said), images=images)


class Losses(Observer):
    """Notes the mean loss of each epoch."""

    def __init__(self) -> None:
        self.means: list[float] = []

    def on_epoch_end(self, end: EpochEnd) -> bool:
        self.means.append(end.loss)
        return False


@threads_kept()
def steps(name: str, images: Images, augment: str, precision: str) -> tuple[dict[str, Tensor], list[float]]:
    """Two steps and nothing else: the weights of the encoder after them, and the losses."""
    machine.use_threads(1)
    options = tiny_options(
        name, norm="batch", batch_size=N // 2, epochs=1, lr=0.1, augment=augment, precision=precision
    )
    backbone = api.untrained_backbone(options, images, "cpu")
    method = find_method(name)(backbone.encoder, options, N, 2)
    trainer, losses = Trainer(method, backbone, options, images, images.training), Losses()
    trainer.observers = (losses,)
    trainer.fit()
    return backbone.encoder.state_dict(), losses.means


def assert_trained(weights: list[dict[str, Tensor]], losses: list[float]) -> None:
    """With finite numbers that are no bfloat16, and in two kinds of arithmetic."""
    assert len(losses) == len(weights) and all(math.isfinite(loss) for loss in losses)
    assert all(w.isfinite().all() and w.dtype != torch.bfloat16 for kept in weights for w in kept.values())
    assert not all(torch.equal(w, weights[1][name]) for name, w in weights[0].items())


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("method", METHODS)
def test_every_augmentation_trains_in_both_precisions(method: str, channels: int):
    images = pictures(channels)
    for augment in augmentation_names():
        trained = [steps(method, images, augment, precision) for precision in PRECISIONS]
        assert_trained([weights for weights, _ in trained], [loss for _, losses in trained for loss in losses])


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_whole_runs_with_every_augmentation_in_both_precisions(channels: int, tmp_path: Path):
    """With looks, a record and saved weights, which are the same whichever method trains."""
    images = pictures(channels)
    for augment in augmentation_names():
        weights, losses = [], []
        for precision in PRECISIONS:
            run = train("simclr", images, tmp_path / f"{augment}-{precision}", augment=augment, precision=precision)
            assert run.status().status == "trained"
            losses += [event["loss"] for event in read_metrics(run.metrics) if event["event"] == "epoch"]
            weights.append(load_file(run.encoder))
        assert_trained(weights, losses)


@pytest.fixture
def entering(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """All that enters a network, in its order: views, and images as they are."""
    seen: list[Tensor] = []
    compute = FeatureExtractor.compute

    def watched(self: FeatureExtractor, network: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        seen.extend(x.clone() for x in inputs)
        return compute(self, network, *inputs)

    monkeypatch.setattr(FeatureExtractor, "compute", watched)
    return seen


@pytest.mark.parametrize(
    ("method", "said"), [*((method, {}) for method in METHODS), ("deepcluster-v2", {"micro_batch": "4"})]
)
def test_what_enters_the_network_is_the_same_bits_in_both_precisions(
    method: str, said: dict, tmp_path: Path, entering: list[Tensor]
):
    """Views of training, of plans and of looks, and squares that are scaled; with a blur and a jitter."""
    images = pictures(3, sizes=True)
    found = []
    # `balanced` would draw by clusters of features, which do depend on the precision
    for precision in PRECISIONS:
        settings = {"augment": "simclr", "balanced": False, "small_crops": 1, **said}
        train(method, images, tmp_path / precision, precision=precision, **settings)
        found.append(list(entering))
        entering.clear()
    assert len(found[0]) == len(found[1]) > 2
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize(
    ("encoder", "channels", "norm"),
    # a resnet in bfloat16 takes seconds where the CPU has none; the larger ones are of the same layers
    [*itertools.product(("convnet", "alexnet"), (1, 3, 5), ("batch", "group")), ("resnet18", 5, "batch")],
)
def test_every_network_has_gradients_and_features_in_bf16(encoder: str, channels: int, norm: str):
    images = pictures(channels).of_rows(torch.arange(4))
    options = tiny_options("simclr", encoder=encoder, norm=norm, precision="bf16", augment="simclr")
    backbone = api.untrained_backbone(options, images, "cpu")
    method = find_method("simclr")(backbone.encoder, options, len(images))
    parts = Views(method, backbone, options, images).parts(0, torch.arange(4))
    loss, _ = forward_backward(method, backbone, parts, torch.arange(4)[:, None])
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())
    assert backbone.features(images.center_crops).isfinite().all()
