"""The parts of benchmarks/gpu.py: what is timed on a GPU, each a function from `At` to what was found.

Every part says what was asked and measures the largest size that fits into the memory that is free. Sizes of `--tiny`
are there so that a CPU can run the same code in a test.
"""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lookalike import api
from lookalike.augment.recipes import build_augmentation
from lookalike.clustering.lloyd import lloyd
from lookalike.core import machine
from lookalike.core.durations import duration
from lookalike.data.base import Images
from lookalike.engine.classifier import load_classifier
from lookalike.engine.feature_extractor import load_feature_extractor, placed
from lookalike.engine.loop import Trainer
from lookalike.evaluate.knn import knn_accuracy
from lookalike.methods.find import find_method
from lookalike.objectives.nt_xent import nt_xent

GIB = 2**30
SCHEDULE = 600.0  # seconds that the training of `knn` may take
POINTS = 0.045  # below supervised accuracy: the target on images that are not the original ones
NEIGHBOURS = 10


class NotMeasured(Exception):
    """Why a part cannot be measured here."""


@dataclass(frozen=True)
class At:
    """Where a part is measured."""

    device: str
    out: Path
    """For what is to last: run folders."""
    data: str | None = None
    """CIFAR-10: anything that `lookalike train` takes."""
    tiny: bool = False
    memory: int | None = None
    """Bytes to believe are free, in place of those that are."""
    known: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    """What other parts found."""

    @property
    def free(self) -> int:
        """Bytes that may be used."""
        return machine.free_bytes(self.device) if self.memory is None else self.memory

    def wait(self) -> None:
        """Until the device has done what it was told."""
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()


def fitting(sizes: Sequence[int], needs: Callable[[int], float], free: float) -> tuple[int, str]:
    """The first size whose need fits, and a remark where that is not the one asked for.

    Raises:
        NotMeasured: none fits.
    """
    for size in sizes:
        if needs(size) <= free:
            break
    else:
        raise NotMeasured(f"{machine.size_words(needs(sizes[-1]))} are needed, {machine.size_words(free)} are free")
    if size == sizes[0]:
        return size, ""
    need = f"{sizes[0]:,} needs {machine.size_words(needs(sizes[0]))}, {machine.size_words(free)} are free"
    return size, f"{need}: {size:,} measured"


def seconds(work: Callable[[], object], at: At, rounds: int = 5, warm: int = 2) -> float:
    """The median of some rounds, each to the end of what the device does."""
    taken = []
    for turn in range(warm + rounds):
        at.wait()
        begun = time.perf_counter()
        work()
        at.wait()
        if turn >= warm:
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def rate(at: At, dtype: torch.dtype = torch.float32) -> float:
    """Operations a second of a square product on the device."""
    n = 256 if at.tiny else 8192
    a = torch.randn(n, n, device=at.device).to(dtype)
    return 2 * n**3 / seconds(lambda: a @ a, at)


def loss(at: At) -> dict[str, Any]:
    """NT-Xent, forward and backward."""
    tile = 8192

    def needs(batch: int) -> float:
        rows = 2 * batch  # z, its gradient, unit rows, sums of images, and the like; two tiles
        return 8 * rows * 128 * 4 + 2 * min(tile, rows) ** 2 * 4

    batch, remark = fitting([64, 16] if at.tiny else [65536, 32768, 16384, 8192, 4096], needs, at.free)
    z_RP = torch.randn(2 * batch, 128, device=at.device, requires_grad=True)
    ids_R = torch.arange(batch, device=at.device).repeat(2)

    def work() -> None:
        z_RP.grad = None
        nt_xent(z_RP, ids_R, 0.5).backward()

    found: dict[str, Any] = {"batch": batch}
    before = torch.get_float32_matmul_precision()
    for name, precision in (("float32", "highest"), ("tf32", "high")):
        torch.set_float32_matmul_precision(precision)
        found[f"{name}_s"] = seconds(work, at)
        found[f"{name}_floor_s"] = 4 * (2 * batch) ** 2 * 128 / rate(at)
    torch.set_float32_matmul_precision(before)
    if at.device.startswith("cuda"):
        z_RP.grad = None
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
        work()
        at.wait()
        found["gib"] = (torch.cuda.max_memory_allocated() - held) / GIB
    words = f"{1e3 * found['float32_s']:.0f} ms (products alone {1e3 * found['float32_floor_s']:.0f} ms)"
    words += f", {found['gib']:.2f} GiB" if "gib" in found else ""
    words += f"; {1e3 * found['tf32_s']:.0f} ms where products may be TF32"
    reached = None if remark else found["float32_s"] <= 0.1 and found.get("gib", 0) * GIB <= 0.5e9
    return {**found, "measured": words, "remark": remark, "reached": reached}


def augment(at: At) -> dict[str, Any]:
    """Views of 32 x 32 pixels."""
    recipe = build_augmentation("simclr-small", 32)
    found: dict[str, Any] = {}
    batches = [16, 32] if at.tiny else [512, 8192]
    for batch in batches:
        pixels = torch.randint(0, 256, (batch, 3, 32, 32), dtype=torch.uint8, device=at.device)
        rows = torch.arange(batch)

        def views(pixels: Tensor = pixels, rows: Tensor = rows) -> None:
            recipe(pixels, seed=0, epoch=0, index_B=rows, view=0)

        found[f"views_per_s_{batch}"] = batch / seconds(views, at)
    words = ", ".join(f"{found[f'views_per_s_{b}'] / 1e6:.2f} M views/s in batches of {b:,}" for b in batches)
    return {**found, "measured": words, "reached": max(found.values()) >= 5e6}


def k_means(at: At) -> dict[str, Any]:
    """Lloyd's iterations on random unit rows, which do not converge in so few."""
    k, d, iterations = (8, 16, 3) if at.tiny else (20_000, 256, 25)

    def needs(n: int) -> float:  # rows, a copy less their mean, one in float64 in parts, scores of a block and copies
        return 5 * n * d * 4 + 3 * 2**27 * 4 * (n > 10_000)

    n, remark = fitting([400, 100] if at.tiny else [1_000_000, 500_000, 250_000, 100_000], needs, at.free)
    x_ND = torch.nn.functional.normalize(torch.randn(n, d, device=at.device), dim=1)
    first_KD = x_ND[:k].clone()
    lloyd(x_ND[: 2 * k], k, init=first_KD, max_iter=1)
    iterated = []
    took = seconds(
        lambda: iterated.append(lloyd(x_ND, k, init=first_KD, max_iter=iterations).iterations), at, rounds=1, warm=0
    )
    floor = 2 * n * k * d * (iterated[0] + 1) / rate(at)
    words = (
        f"{took:.2f} s for {iterated[0]} iterations of {n:,} x {d}, k = {k:,} (float32 products alone {floor:.2f} s)"
    )
    reached = None if remark or iterated[0] < iterations else took <= 2
    return {"seconds": took, "floor_s": floor, "rows": n, "measured": words, "remark": remark, "reached": reached}


def trainer(at: At, method: str, **said: Any) -> Trainer:
    """The training of a method on random images of CIFAR-10's size, before its first step."""
    n, side = (64, 16) if at.tiny else (50_000, 32)
    kind = find_method(method)
    shape = {"encoder": "convnet", "width": 4} if at.tiny else {"encoder": "resnet18", "stem": "small"}
    batch = 16 if at.tiny else 512
    precision = machine.resolve_precision("auto", at.device)
    options = kind.Options(batch_size=batch, image_size=side, lr=0.1, epochs=1000, precision=precision, **shape, **said)
    pixels = torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = Images(pixels, tuple(map(str, range(n))))
    backbone = api.untrained_backbone(options, images, at.device)
    learner = placed(kind(backbone.encoder, options, n), at.device).train()
    return Trainer(learner, backbone, options, images, images.training)


def one_epoch(made: Trainer, epoch: int) -> None:
    """All steps of an epoch whose plan is made."""
    for k in range(made.batches):
        made._step(epoch, k)
    made.losses.read()


def epoch(at: At, compiled: bool = False) -> dict[str, Any]:
    """An epoch of SimCLR: views, network, loss, optimiser; what a look and a checkpoint take is not in it."""
    made = trainer(at, "simclr")
    if compiled:
        made.backbone.encoder.compile()
    plan = made.plan = made.method.plan(0, made.data)
    rounds = 1 if at.tiny else 3
    took = seconds(lambda: one_epoch(made, 0), at, rounds, warm=1)

    def views() -> None:
        for k in range(made.batches):
            for part in made.views.parts(0, made.rows[plan.batch(k, made.size)]):
                part()

    of_views = seconds(views, at, rounds, warm=1)
    words = f"{took:.2f} s an epoch, of which making the views alone takes {of_views:.2f} s"
    return {"seconds": took, "views_s": of_views, "measured": words, "reached": took <= 1.3}


def compiled(at: At) -> dict[str, Any]:
    """The same with the encoder through torch.compile."""
    return epoch(at, compiled=True)


def clustering(at: At) -> dict[str, Any]:
    """What clustering takes of an epoch of DeepCluster-v2."""
    made = trainer(at, "deepcluster-v2", n_clusters=4 if at.tiny else 1500)
    made.plan = made.method.plan(0, made.data)
    one_epoch(made, 0)
    at.wait()
    begun = time.perf_counter()
    made.plan = made.method.plan(1, made.data)
    at.wait()
    planned = time.perf_counter()
    one_epoch(made, 1)
    at.wait()
    took = time.perf_counter() - planned
    share = (planned - begun) / (planned - begun + took)
    words = f"{share:.1%}: {planned - begun:.2f} s beside {took:.2f} s of training (three heads of 1,500 clusters)"
    return {"share": share, "measured": words, "reached": share <= 0.03}


def _options(at: At, method: str, epochs: int) -> Any:
    kind = find_method(method)
    shape = {"encoder": "convnet", "width": 4} if at.tiny else {"encoder": "resnet18", "stem": "small"}
    options = kind.Options(data="digits" if at.tiny else at.data, epochs=epochs, out=str(at.out / method), **shape)
    options.batch_size, options.device = 256 if at.tiny else 512, at.device
    options.snapshots = options.report = False
    options.check_every = epochs
    return options


_SAID = {
    "data",
    "epochs",
    "out",
    "encoder",
    "stem",
    "width",
    "batch_size",
    "device",
    "snapshots",
    "report",
    "check_every",
}


def _data(at: At) -> str:
    if not at.data and not at.tiny:
        raise NotMeasured("give --data DIR: CIFAR-10 as cifar10:DIR, or class folders with train/ and test/ below")
    return str(at.data)


def supervised(at: At) -> dict[str, Any]:
    """Accuracy of the same network trained with labels, which the target of `knn` is below."""
    _data(at)
    options = _options(at, "supervised", 1 if at.tiny else 60)
    run = api.train("supervised", options, _SAID, command="benchmarks/gpu.py")
    images = api.load_images(options.data)
    assert images.labels is not None and images.evaluation is not None
    test, classifier = images.evaluation[1], load_classifier(run, at.device)
    found_Q = classifier.probabilities(classifier.backbone.features(images.center_crops.take(test))).argmax(1)
    accuracy = float((found_Q == images.labels[test]).double().mean())
    took = run.status().seconds["train"]
    words = f"{accuracy:.4f} after {options.epochs} epochs, {duration(took)}"
    return {"accuracy": accuracy, "seconds": took, "measured": words, "reached": None}


def knn(at: At) -> dict[str, Any]:
    """Test accuracy of the 10 nearest after a schedule of SimCLR that takes ten minutes; its length is chosen by an
    epoch's seconds, not by any accuracy."""
    _data(at)
    length = at.out / "epochs.json"
    if not length.exists():
        each = at.known.get("epoch", {}).get("seconds") or epoch(at)["seconds"]
        epochs = 1 if at.tiny else max(1, math.floor(0.97 * SCHEDULE / each))
        length.write_text(json.dumps(epochs))
    options = _options(at, "simclr", json.loads(length.read_text()))
    run = api.train("simclr", options, _SAID, command="benchmarks/gpu.py")
    images = api.load_images(options.data)
    assert images.labels is not None and images.evaluation is not None
    backbone = load_feature_extractor(run.encoder, at.device)
    train, test = images.evaluation
    x_ND, y_QD = (backbone.features(images.center_crops.take(rows)).to(at.device) for rows in (train, test))
    labels = images.labels.to(at.device)
    accuracy = knn_accuracy(x_ND, labels[train.to(at.device)], y_QD, labels[test.to(at.device)], k=NEIGHBOURS)
    took = run.status().seconds["train"]
    original = str(options.data).startswith("cifar10:")
    above = at.known.get("supervised", {}).get("accuracy")
    target = 0.9 if original or above is None else above - POINTS
    words = f"{accuracy:.4f} (wanted {target:.4f}) after {options.epochs} epochs, {duration(took)}"
    remark = "" if original or above is not None else "no supervised accuracy to compare with: 0.9 is for the original"
    return {"knn": accuracy, "seconds": took, "measured": words, "reached": accuracy >= target and took <= 600} | {
        "remark": remark
    }


@dataclass(frozen=True)
class Part:
    """A part: what it is, what was asked of it, how long it may take and the least it takes (seconds)."""

    name: str
    what: str
    asked: str
    work: Callable[[At], dict[str, Any]]
    limit: float
    least: float = 15.0


PARTS = (
    Part("loss", "NT-Xent, batch 65,536", "<= 100 ms, <= 0.5 GB", loss, 120),
    Part("augment", "augmentation, 32 px", ">= 5 M views/s", augment, 60),
    Part("kmeans", "k-means, 1 M x 256, k = 20,000, 25 iterations", "<= 2 s", k_means, 120),
    Part("epoch", "SimCLR, ResNet-18, CIFAR-10, batch 512", "<= 1.3 s an epoch", epoch, 120),
    Part("clustering", "DeepCluster-v2, ResNet-18: share of clustering", "<= 3 %", clustering, 120),
    Part("supervised", "supervised ResNet-18: accuracy", "(for the next row)", supervised, 400, 30),
    Part("knn", "SimCLR, ResNet-18: kNN (k = 10, cosine)", "0.9, or supervised - 0.045, in 10 min", knn, 1200, 30),
    Part("compiled", "an epoch of SimCLR, network compiled", "(to learn whether it pays)", compiled, 300, 60),
)
