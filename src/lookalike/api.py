"""Whole jobs: train, evaluate, embed. The command line and the Python face both call these."""

from __future__ import annotations

import dataclasses
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.augment.normalize import channel_statistics
from lookalike.core import machine, registry
from lookalike.core.durations import timed
from lookalike.core.errors import Interrupted, LookalikeError
from lookalike.core.files import read_json, write_atomically, write_csv, write_json
from lookalike.core.options import TrainOptions, lasting, raise_problems, spoken
from lookalike.core.ranks import Ranks
from lookalike.data.base import Images, Loading
from lookalike.data.base import load as load_images
from lookalike.data.health import health_of
from lookalike.encoders.base import EncoderSpec, build_encoder
from lookalike.encoders.weights import load_weights
from lookalike.engine.backbone import Backbone, load_backbone, placed
from lookalike.engine.budget import settle_epochs, wants_epochs
from lookalike.engine.checkpoint import load_checkpoint
from lookalike.engine.choose_views import settle_views
from lookalike.engine.distributed import disagreements, join, own_device, processes_problems
from lookalike.engine.looks import pixel_features
from lookalike.engine.loop import Trainer
from lookalike.engine.resolve import resolve
from lookalike.engine.run_folder import RunFolder
from lookalike.evaluate.knn import K
from lookalike.evaluate.protocol import measure, protocol
from lookalike.methods.base import Projections

_CALIBRATION = 2048  # images from which the untrained network takes its BatchNorm statistics
_STATISTICS = 2**28  # values of which mean and deviation are taken: 21,845 colour images of 64 pixels, first by content


def train(
    method: str,
    options: TrainOptions,
    explicit: set[str] | None = None,
    *,
    images: Images | None = None,
    encoder: nn.Module | None = None,
    command: str = "python",
    begun: float | None = None,
    graceful: bool = False,
) -> RunFolder:
    """Train an encoder, or go on with a run that was interrupted.

    Args:
        method: a name of the methods room, such as `simclr`.
        options: that method's `Options`.
        explicit: names of the options that were set on purpose; a recipe leaves those alone. None
            means all of them.
        images: the data set, where it is not to be loaded from `options.data`.
        encoder: an untrained network of your own, [B, C, S, S] -> [B, D], instead of `options.encoder`.
        command: for the record.
        begun: `time.monotonic()` from when a budget counts; default: now.
        graceful: SIGINT ends the training, and the run is complete; else it is saved and Interrupted is raised.

    Returns:
        The run folder; its encoder.safetensors holds the trained encoder. Of several processes (torchrun) the first
        one writes it, and may still be writing when the others return.

    Raises:
        LookalikeError: anything the user can put right. Interrupted: a signal asked to stop.
    """
    begun = time.monotonic() if begun is None else begun
    machine.prepare(options.threads)
    device = own_device(machine.resolve_device(options.device))
    ranks = join(device)
    with ranks.together():
        images = images or load_images(options.data, options.image_size, options.download, loading(options))
        loaded = time.monotonic()
        if encoder is not None:
            options = dataclasses.replace(options, encoder=f"python:{type(encoder).__name__}")
        named = {f.name for f in dataclasses.fields(options)} if explicit is None else explicit
        module = registry.find("methods", method, "method")
        rows = training_rows(images, module.Learner.needs_labels)
        options = resolve(options, method, named | ({"encoder"} if encoder is not None else set()), images, rows)
        raise_problems(processes_problems(options, len(rows), ranks))
        run = RunFolder(Path(options.out or default_run(method, images)))
        augment, choice = settle_views(
            options, method, images, rows, run, partial(untrained_backbone, device=device), ranks
        )
        options = dataclasses.replace(options, augment=augment)
        backbone = untrained_backbone(options, images, device, encoder)
        if options.init is not None:
            load_weights(backbone.encoder, Path(options.init))
        learner = module.Learner(backbone.encoder, options, len(rows), len(images.classes), ranks)
        learner = placed(learner.double() if options.precision == "float64" else learner, device)
        scores, probes = None, 0.0
        if wants_epochs(options, named) and can_evaluate(images) and encoder is None and not run.config.exists():
            # needed at the end anyway, and an evaluation of the trained network will take as long as one of these
            scores, probes = timed(lambda: baseline_scores(options, images, device, None, ranks))
        spent = time.monotonic() - begun
        fitting, forecast = settle_epochs(learner, backbone, options, named, images, rows, run, spent, probes / 2)
        options = learner.options = dataclasses.replace(options, **fitting)
    told = {"method": method, **lasting(options), "run folder": str(run.path), "images": images.fingerprint}
    with ranks.together():
        raise_problems(disagreements(ranks.objects(told)))
    resumed = done = False
    with ranks.together():
        if ranks.first:
            resumed = run.claim(method, options, images, command)
            if not run.index.exists():  # what a run that is under way is shown with
                write_index(run.path, images)
            if images.skipped:
                write_csv(run.skipped, ("path", "reason"), images.skipped)
            record = run.status()
            done = record["status"] in ("trained", "finished") and not record.get("ended_at")
            if not done:
                run.forget_features()
            if scores is not None:
                write_json(run.baselines, scores)
    resumed, done = ranks.objects((resumed, done))[0]
    if done:
        return run
    trainer = Trainer(learner, backbone, options, images, rows, run)
    trainer.graceful = graceful
    health = health_of(images.listed, images.examined).lines() if images.listed is not None and not resumed else []
    trainer.remarks = (*health, *(found.words() for found in (choice, forecast) if found is not None))
    if ranks.first:
        chosen = {key: found.record() for key, found in (("views", choice), ("budget", forecast)) if found is not None}
        run.update("running", {"load": loaded - begun}, **chosen)
    status = "failed"
    try:
        trainer.fit(resumed)
        if ranks.first:
            backbone.save(run.encoder, method)
        status = "trained"
    except Interrupted:
        status = "interrupted"
        raise
    finally:
        if ranks.first:
            ended_at = trainer.step if trainer.ended else None
            run.update(status, {"train": trainer.seconds}, parameters=_count(backbone.encoder), ended_at=ended_at)
    return run


def loading(options: TrainOptions) -> Loading:
    """Whether and where decoded images are kept, as the options say."""
    return Loading(options.store, options.cache, options.store_limit, options.skip_bad)


def training_rows(images: Images, with_labels: bool) -> Tensor:
    """Rows (int64) to train on: the training split, or the labelled rows that evaluation learns from.

    Raises:
        LookalikeError: labels are needed and there are none.
    """
    if not with_labels:
        return images.training
    if images.evaluation is None or len(images.evaluation[0]) == 0 or len(images.classes) < 2:
        found = "no labels" if images.evaluation is None else f"labels of {len(images.classes)} class"
        raise LookalikeError(
            f"{images.name} has {found}, and supervised training learns from labels; put images of a class into a "
            "folder of their own, or train without labels (simclr, deepcluster, deepcluster-v2)"
        )
    return images.evaluation[0]


def untrained_backbone(
    options: TrainOptions, images: Images, device: str, encoder: nn.Module | None = None
) -> Backbone:
    """The backbone of a run before its first step; a function of options and training images alone."""
    channels, side, _ = images.shape
    spec = EncoderSpec(options.encoder, channels, side, options.width, options.stem, options.norm)
    network = encoder if encoder is not None else build_encoder(spec, options.seed)
    if not hasattr(network, "out_features"):
        network.out_features = _output_width(network, channels, side)  # type: ignore[assignment]  # an int, not a module
    network = network.double() if options.precision == "float64" else network
    seen = max(1, _STATISTICS // (channels * side * side))
    mean, std = channel_statistics(images.squares.take(images.training[:seen]))
    network = placed(network, device)
    return Backbone(network, spec, tuple(mean.tolist()), tuple(std.tolist()), options.precision, device)


def calibrated(backbone: Backbone, images: Images) -> Backbone:
    """An untrained backbone with the BatchNorm statistics of training images."""
    return backbone.calibrated(images.squares[images.training[:_CALIBRATION]])


def _output_width(network: nn.Module, channels: int, side: int) -> int:
    was_training = network.training
    network.eval()
    with torch.no_grad():
        h = network(torch.zeros(1, channels, side, side))
    network.train(was_training)
    if not isinstance(h, Tensor) or h.ndim != 2:
        raise LookalikeError(f"an encoder must give features [B, D]; {type(network).__name__} does not")
    return h.shape[1]


def _count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def default_run(method: str, images: Images) -> str:
    """Where a run goes that was given no name."""
    return f"runs/{method}-{images.name}"


def options_of(run: RunFolder) -> tuple[str, TrainOptions]:
    """The method and the resolved options that a run was made with."""
    settings = run.settings()
    method = str(settings.pop("method", ""))
    kind = registry.find("methods", method, "method").Options
    known = {f.name for f in dataclasses.fields(kind)}
    strange = sorted(set(settings) - known)
    if strange:
        raise LookalikeError(f"{run.config} has keys this version does not know: {', '.join(strange)}")
    return method, kind(**settings)


def images_of(run: RunFolder, options: TrainOptions) -> Images:
    """The images a run was trained on.

    Raises:
        LookalikeError: they have changed since.
    """
    images = load_images(options.data, options.image_size, how=loading(options))
    if images.fingerprint != run.status().get("fingerprint"):
        raise LookalikeError(f"{spoken(options.data)} holds other images now than {run.path} was trained on")
    return images


def can_evaluate(images: Images) -> bool:
    """Whether there are labels enough to evaluate with."""
    split = images.evaluation
    return split is not None and len(split[0]) >= K and len(split[1]) > 0


def evaluate(
    run: RunFolder,
    *,
    images: Images | None = None,
    baselines: bool = True,
    device: str = "auto",
    threads: int | None = None,
    encoder: nn.Module | None = None,
    ranks: Ranks | None = None,
) -> dict[str, Any]:
    """kNN, linear and cluster accuracy of the trained encoder, of raw pixels and of the encoder untrained.

    Features are extracted once and frozen. The learning rows are the training split, the test rows
    are used for the figures only. Written to evaluation.json.

    Args:
        run: a run folder.
        images: those that the run was trained on, where they are not to be loaded again.
        baselines: measure pixels and the untrained encoder too.
        device: where features are extracted.
        threads: CPU threads.
        encoder: an untrained instance of the network that was given to `train` from Python.
        ranks: the processes that share the work; None for those that torchrun started.

    Raises:
        LookalikeError: the images have no labels, or too few of them.
    """
    begun = time.monotonic()
    machine.prepare(threads)
    device = own_device(machine.resolve_device(device))
    ranks = ranks or join(device)
    method, options = options_of(run)
    images = images or images_of(run, options)
    split = images.evaluation
    if split is None or images.labels is None:
        raise LookalikeError(
            f"{spoken(options.data)} has no labels to evaluate against; put images of a class into a folder of "
            "their own, or look at the features themselves (lookalike embed)"
        )
    bank, test = split
    if not can_evaluate(images):
        raise LookalikeError(f"too few labelled images to evaluate: {len(bank)} to learn from, {len(test)} to test on")
    scores: dict[str, dict[str, Any]] = {}
    if baselines:  # the untrained network comes first: from Python, one instance serves as both
        known = read_json(run.baselines) if run.baselines.exists() and encoder is None else None
        scores = known or baseline_scores(options, images, device, encoder, ranks)
    features = load_backbone(run.encoder, device, encoder).features(images.squares, ranks)
    scores = {"trained": measure(features, images.labels, bank, test, len(images.classes), ranks), **scores}
    penalties = {name: found.pop("penalty") for name, found in scores.items()}
    result: dict[str, Any] = {}
    for name, found in scores.items():
        result |= {("" if name == "trained" else f"{name}.") + key: value for key, value in found.items()}
    if registry.find("methods", method, "method").Learner.needs_labels:
        result["classifier"] = _classifier_accuracy(run, method, options, images, device)
    result["protocol"] = {
        **protocol(bank, test, len(images.classes), penalties),
        "split": "the data's own" if images.split is not None else "20 % held out by a hash of the path",
        "training_saw": _training_saw(method, images),
    }
    if ranks.first:
        write_json(run.evaluation, result)
        run.update(seconds={"evaluate": time.monotonic() - begun})
    return result


def baseline_scores(
    options: TrainOptions, images: Images, device: str, encoder: nn.Module | None, ranks: Ranks
) -> dict[str, dict[str, Any]]:
    """What `measure` finds with raw pixels (`pixels`) and the untrained network (`random`): no training changes it."""
    assert images.evaluation is not None and images.labels is not None
    bank, test = images.evaluation
    untrained = calibrated(untrained_backbone(options, images, device, encoder), images)
    features = {"pixels": pixel_features(images.squares), "random": untrained.features(images.squares, ranks)}
    return {
        name: measure(x_ND, images.labels, bank, test, len(images.classes), ranks) for name, x_ND in features.items()
    }


def _classifier_accuracy(run: RunFolder, method: str, options: TrainOptions, images: Images, device: str) -> float:
    """Accuracy on the test rows of the classifier that supervised training ends with."""
    assert images.evaluation is not None and images.labels is not None
    bank, test = images.evaluation
    backbone = load_backbone(run.encoder, device)
    learner = registry.find("methods", method, "method").Learner(
        backbone.encoder, options, len(bank), len(images.classes)
    )
    learner = placed(learner.double() if options.precision == "float64" else learner, device)
    learner.load_state_dict(load_checkpoint(run.checkpoint)["method"])
    classifier = dataclasses.replace(backbone, encoder=Projections(learner))
    return float((classifier.features(images.squares.take(test)).argmax(1) == images.labels[test]).double().mean())


def _training_saw(method: str, images: Images) -> str:
    if registry.find("methods", method, "method").Learner.needs_labels:
        return "the learning rows and their labels"
    return "the training split, without labels" if images.split is not None else "all images, without labels"


def embed(
    run: RunFolder,
    data: str | tuple[str, ...] | None = None,
    *,
    out: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    encoder: nn.Module | None = None,
) -> Path:
    """Features of images as embeddings.npy (float32 [N, D], file order) and index.csv.

    Args:
        run: a run folder.
        data: DATA; None for the images of the run, whose features go into the run folder.
        out: folder for the two files; default: the run folder, or RUN/embeddings/NAME for other data.
        device: where to compute.
        threads: CPU threads.
        encoder: the network that was given to `train` from Python.

    Returns:
        The folder that holds the two files.
    """
    begun = time.monotonic()
    machine.prepare(threads)
    backbone = load_backbone(run.encoder, machine.resolve_device(device), encoder)
    if data is None:
        images = images_of(run, options_of(run)[1])
        folder = out or run.path
    else:
        images = load_images(data, backbone.spec.image_size, how=loading(options_of(run)[1]))
        folder = out or run.path / "embeddings" / images.name
    features = backbone.features(images.squares)
    write_features(folder, images, features)
    if data is None and out is None:
        run.clusters.unlink(missing_ok=True)  # groups of the features that were there before
        run.update(seconds={"embed": time.monotonic() - begun})
    return folder


def write_features(folder: Path, images: Images, features_ND: Tensor) -> None:
    """embeddings.npy and index.csv."""
    array = features_ND.numpy().astype(np.float32)
    write_atomically(folder / "embeddings.npy", lambda file: np.save(file, array))
    write_index(folder, images)


def write_index(folder: Path, images: Images) -> None:
    """index.csv: path, split, label, cluster per row."""
    rows = []
    for i, path in enumerate(images.paths):
        code = -1 if images.labels is None else int(images.labels[i])
        rows.append((path, images.split[i] if images.split else "", images.classes[code] if code >= 0 else "", ""))
    write_csv(folder / "index.csv", ("path", "split", "label", "cluster"), rows)


def finish(run: RunFolder) -> None:
    """Mark a run as complete."""
    run.update("finished")
