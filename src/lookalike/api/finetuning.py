"""Fine-tuning a run with a share of the labels, beside the same network trained on them from scratch.

Both are runs of training with labels (`methods/roles.py`), made by `train`. The schedule is the one of SimCLR
(appendix B.5): SGD with Nesterov momentum, 0.05 * batch / 256, no warm-up, no decay of weights, crops and mirroring as
the only augmentation; 60 epochs for 1 % of the labels, 30 for 10 %. They differ in `init`, and in that the run's
network learns from the other training images too: it is trained on with the labels alone, these are spread along its
features (`api/pseudo_labels.py`), and it is trained on with these pseudo labels (Iscen et al. 2019, "Label propagation
for deep semi-supervised learning"). SimCLRv2 takes what its fine-tuned network says (Chen et al. 2020b, section 2).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lookalike.api.finish import finish
from lookalike.api.load import training_rows
from lookalike.api.predicting import check_channels, predict_images
from lookalike.api.pseudo_labels import can_be_spread, others_of, spread_labels
from lookalike.api.records import data_of, images_of, loading, options_of
from lookalike.api.training import train
from lookalike.augment.recipes import crops_only
from lookalike.core import machine
from lookalike.core.arithmetic import outside_autocast
from lookalike.core.errors import LookalikeError
from lookalike.core.files import read_json, write_json
from lookalike.core.options import TrainOptions
from lookalike.core.process import threads_kept
from lookalike.core.record_types import Record
from lookalike.core.words import counted
from lookalike.data.base import Images
from lookalike.data.loading import load as load_images
from lookalike.engine.feature_extractor import FeatureExtractor, load_feature_extractor, placed
from lookalike.engine.trial_run import TrialRun
from lookalike.methods.base import Projections
from lookalike.methods.find import find_method
from lookalike.methods.roles import CLASSIFIER
from lookalike.runs.folder import RunFolder

LR = 0.05
"""Before scaling with the batch, linearly."""
_LARGEST_BATCH = 256
_STEPS_AN_EPOCH = 8  # at the least: the paper's own batches of 4,096 make three of 1 % of ImageNet
QUICK_EPOCHS = 60
"""Of training with a few labels of each class, all of which are one batch."""
_PASSES = 2  # over all images at the least, where they are learned from
LABELS_ONLY = "labels-only"
"""Folder in that of the run: of the run that learned from the labels alone, along whose features these are spread."""
_EPOCHS = ((0.01, 60), (0.1, 30), (1.0, 15))
"""Epochs up to a share of the labels. The paper names the first two."""


@dataclass(kw_only=True)
class Schedule:
    """What may be said otherwise than the paper has it."""

    epochs: int | None = None
    batch_size: int | None = None
    lr: float = LR
    seed: int = 0


@outside_autocast
def finetune(
    run: RunFolder,
    data: str | tuple[str, ...] = "",
    *,
    fraction: float = 0.01,
    out: Path | None = None,
    schedule: Schedule | None = None,
    scratch: bool = True,
    unlabelled: bool = True,
    device: str = "auto",
    threads: int | None = None,
    load_options: Mapping[str, object] | None = None,
    command: str = "python",
) -> RunFolder:
    """Train a run's encoder on with labels, and the same network from scratch with the same ones.

    Args:
        run: a run folder, whose encoder is where training starts.
        data: DATA with labels; empty for the run's own images.
        fraction: share of the labels to learn from, in (0, 1], drawn class by class from the learning rows.
        out: folder of the new run; default: RUN-finetuned-FRACTION. The one from scratch is its `scratch`.
        schedule: what is to differ from the usual schedule.
        scratch: train from scratch too.
        unlabelled: learn from the other training images as well, where their labels can be guessed from those drawn.
            From scratch never does.
        device: where to compute.
        threads: CPU threads.
        load_options: options of loading (`download`, `store`, `cache`, `store_limit`, `skip_bad`).
        command: for the record.

    Returns:
        The run folder: encoder, classifier, features, predictions.csv and evaluation.json, whose key `finetune` has
        the accuracies on the test rows. The same call again goes on with it, to the same bits.

    Raises:
        LookalikeError: no labels, fewer labels than classes, a fraction out of range, other channels than the run's.
    """
    schedule = schedule or Schedule()
    if not 0 < fraction <= 1:
        raise LookalikeError(f"--fraction must be in (0, 1], got {fraction}: 0.01 is 1 % of the labels")
    folder = out or Path(f"{run.path}-finetuned-{fraction:g}")
    with RunFolder(folder).writing():  # through up to three trainings
        return _finetune(
            run, data, fraction, folder, schedule, scratch, unlabelled, device, threads, load_options, command
        )


def _finetune(
    run: RunFolder,
    data: str | tuple[str, ...],
    fraction: float,
    folder: Path,
    schedule: Schedule,
    scratch: bool,
    unlabelled: bool,
    device: str,
    threads: int | None,
    load_options: Mapping[str, object] | None,
    command: str,
) -> RunFolder:
    _, options = options_of(run)
    if options.encoder.startswith("python:"):
        raise LookalikeError(f"{run.path} has a network given from Python; only those of --encoder can be fine-tuned")
    load_feature_extractor(run.encoder, "cpu")  # what is wrong with it is said before images are read
    overrides: Record = {name: getattr(options, name) for name in ("store", "cache", "store_limit", "skip_bad")}
    overrides |= load_options or {}
    if not data:
        images = images_of(run, options, overrides)
    else:
        download = bool(overrides.get("download", False))
        images = load_images(data, options.image_size, download, loading(dataclasses.replace(options, **overrides)))
    _check(run, images)
    rows = training_rows(images, True, fraction, schedule.seed)
    overrides |= {
        "label_fraction": fraction,
        "data": data or data_of(run, options, bool(overrides.get("download", False))),
        "device": device,
        "threads": threads,
    }
    settings = _settings(options, schedule, fraction, len(rows))
    settings = dataclasses.replace(settings, **overrides)
    fresh = dataclasses.replace(settings, out=str(folder / "scratch"))
    settings = dataclasses.replace(settings, init=str(run.encoder), out=str(folder))
    accuracies: dict[str, float | None] = {}
    more = 0
    if unlabelled and _can_be_spread(run, RunFolder(folder), images, rows, settings):
        alone = dataclasses.replace(settings, out=str(folder / LABELS_ONLY))
        teacher = train(CLASSIFIER, alone, images=images, command=f"{command} (labels alone)")
        accuracies["labels_only"] = _finished(teacher, images, device)
        more = len(others_of(images, rows))
        settings = _with_more(settings, schedule, len(rows), more, _spread(teacher, RunFolder(folder), images, rows))
    tuned = train(CLASSIFIER, settings, images=images, command=command)
    accuracies["finetuned"] = _finished(tuned, images, device)
    if scratch:
        beside = train(CLASSIFIER, fresh, images=images, command=f"{command} (from scratch)")
        accuracies["scratch"] = _finished(beside, images, device)
    _record(tuned, settings, images, fraction, len(rows), more, accuracies)
    return tuned


@threads_kept()
def _can_be_spread(run: RunFolder, tuned: RunFolder, images: Images, rows: Tensor, options: TrainOptions) -> bool:
    """Whether other images are learned from; a run that began with their labels goes on with them."""
    if tuned.spread.exists():
        return True
    tuned.raise_foreign()
    machine.use_threads(options.threads)
    backbone = load_feature_extractor(run.encoder, machine.resolve_device(options.device))
    return can_be_spread(backbone, images, rows, options.seed)


def _spread(teacher: RunFolder, tuned: RunFolder, images: Images, rows: Tensor) -> Path:
    """The file of labels that were spread along the features of `teacher`, made where it is not there."""
    if not tuned.spread.exists():
        features_ND = torch.from_numpy(np.load(teacher.embeddings))
        spread_labels(tuned.spread, features_ND, images, rows, teacher.settings()["seed"])
    return tuned.spread


def _with_more(options: TrainOptions, schedule: Schedule, labels: int, more: int, file: Path) -> TrainOptions:
    """Options for as many views as the labels alone would have had, of so many images more, a pass at the least."""
    n = labels + more
    epochs = schedule.epochs or max(_PASSES, math.ceil(options.epochs * labels / n))
    batch = min(n, schedule.batch_size or batch_of(n))
    changed: Record = {"epochs": epochs, "check_every": epochs, "batch_size": batch, "more_labels": str(file)}
    return dataclasses.replace(options, **changed)


def _record(
    run: RunFolder,
    options: TrainOptions,
    images: Images,
    fraction: float,
    labels: int,
    more: int,
    accuracies: dict[str, float | None],
) -> None:
    """Add the accuracies to evaluation.json, beside what `evaluate` has put there."""
    assert images.evaluation is not None
    n, classes = len(images.evaluation[1]), len(images.classes)
    evaluation = read_json(run.evaluation) if run.evaluation.exists() else {}
    settings = {name: getattr(options, name) for name in ("epochs", "batch_size", "lr", "augment", "crop_min", "seed")}
    figures = {**accuracies, "fraction": fraction, "labels": labels, "spread": more, "test_rows": n, **settings}
    protocol = {"test_rows": n, "classes": classes, "chance": 1 / classes}
    classifier = {} if accuracies["finetuned"] is None else {"classifier": accuracies["finetuned"]}
    figures["init"] = options.init
    write_json(run.evaluation, {"protocol": protocol, **evaluation, **classifier, "finetune": figures})


def _check(run: RunFolder, images: Images) -> None:
    """That these images can be learned from by the network of the run."""
    check_channels(run, images)
    if images.evaluation is None:
        raise LookalikeError(
            f"{images.name} has no labels to learn from; put images of a class into a folder of their own, or give a "
            f"list with a column label. A few labels of your own: lookalike label {run.path} labels.csv"
        )
    learn, _ = images.evaluation
    assert images.labels is not None
    present = images.labels[learn].unique()
    absent = [name for code, name in enumerate(images.classes) if code not in present.tolist()]
    if len(images.classes) >= 2 and absent:
        raise LookalikeError(
            f"{images.name} has {counted(len(images.classes), 'class')} and "
            f"{counted(len(learn), 'labelled image')} to learn from, with "
            f"none of: {', '.join(absent[:5])}{', ...' if len(absent) > 5 else ''}. Add images of them "
            "(a fifth of the images is held out for the figures)"
        )


def _settings(options: TrainOptions, schedule: Schedule, fraction: float, n: int) -> TrainOptions:
    """Options of supervised training of the run's network with n labels, from untrained weights."""
    augment, crop_min = crops_only(options.augment, options.crop_min)
    epochs = schedule.epochs or next(epochs for share, epochs in _EPOCHS if fraction <= share)
    return find_method(CLASSIFIER).Options(
        seed=schedule.seed,
        epochs=epochs,
        batch_size=min(n, schedule.batch_size or batch_of(n)),
        image_size=options.image_size,
        encoder=options.encoder,
        width=options.width,
        stem=options.stem,
        norm=options.norm,
        augment=augment,
        crop_min=crop_min,
        optimizer="sgd",
        lr=schedule.lr,
        lr_scaling="linear",
        momentum=0.9,
        weight_decay=0.0,
        warmup=0.0,
        precision=options.precision,
        check_every=epochs,  # one look, at the end
        snapshots=False,
        report=False,
    )


def batch_of(n: int) -> int:
    """Images of a batch: a power of two that makes some steps an epoch."""
    return max(2, min(_LARGEST_BATCH, 1 << max(1, (n // _STEPS_AN_EPOCH).bit_length() - 1)))


def _finished(run: RunFolder, images: Images, device: str) -> float | None:
    """Features, predictions and accuracy on the test rows of a run that is trained; None where there are no such."""
    device = machine.resolve_device(device)
    finished = finish(run, images=images, device=device)
    assert images.evaluation is not None
    predicted = predict_images(run, images, run.predictions, device, finished.features)
    return predicted.accuracy(images.evaluation[1].tolist())


def quick_finetune(
    backbone: FeatureExtractor,
    options: TrainOptions,
    images: Images,
    rows: Tensor,
    test: Tensor,
    seed: int,
    device: str,
) -> float:
    """Accuracy on `test` rows of a network trained on from `backbone` with the labels of `rows`, which are few.

    All of them are one batch, and the rate is not scaled by its size: with ten images that would leave the network as
    it is. The backbone is left alone, and nothing is written.
    """
    settings = dataclasses.replace(
        _settings(options, Schedule(epochs=QUICK_EPOCHS, batch_size=len(rows), seed=seed), 1.0, len(rows)),
        lr_scaling="none",
        micro_batch=str(len(rows)),
        device=device,
    )
    method = find_method(CLASSIFIER)(backbone.encoder, settings, len(rows), len(images.classes))
    method = placed(method.double() if settings.precision == "float64" else method, device)
    trainer = TrialRun(method, backbone, settings, images, rows)
    trainer.run_silently()
    classifier = dataclasses.replace(trainer.backbone, encoder=Projections(trainer.method))
    assert images.labels is not None
    predicted = classifier.features(images.center_crops.take(test)).argmax(1)
    return float((predicted == images.labels[test]).double().mean())
