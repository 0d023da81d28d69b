"""Evaluating a run on frozen features, beside features without training and the untrained network."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from lookalike.api.networks import build_pretrained, untrained_backbone, with_recomputed_bn_stats
from lookalike.api.pretrained import find_pretrained
from lookalike.api.records import images_of, options_of
from lookalike.core import machine, rng
from lookalike.core.arithmetic import outside_autocast
from lookalike.core.comm import Comm
from lookalike.core.earlier_names import also_called
from lookalike.core.errors import LookalikeError
from lookalike.core.files import read_json, write_json
from lookalike.core.options import TrainOptions, spoken
from lookalike.core.places import find_place
from lookalike.core.process import threads_kept
from lookalike.core.record_types import Record
from lookalike.data.base import Images, content_order
from lookalike.engine.checkpoint import load_checkpoint
from lookalike.engine.distributed import join, own_device
from lookalike.engine.feature_extractor import FeatureExtractor, load_feature_extractor, placed
from lookalike.evaluate.baselines import BASELINES, FeatureFunction
from lookalike.evaluate.knn import K
from lookalike.evaluate.protocol import measure, protocol
from lookalike.methods.base import Projections
from lookalike.methods.find import find_method
from lookalike.runs.evaluation import TRAINED, Evaluation, Scores
from lookalike.runs.folder import RunFolder

OTHERS = ("few_labels", "finetune")
"""Keys of evaluation.json that other jobs write, and `evaluate` leaves as they are."""


def can_evaluate(images: Images) -> bool:
    """Whether there are labels enough to evaluate with."""
    split = images.evaluation
    return split is not None and len(split[0]) >= K and len(split[1]) > 0


@also_called("ranks", "comm")
@outside_autocast
@threads_kept()
def evaluate(
    run: RunFolder,
    *,
    images: Images | None = None,
    baselines: bool = True,
    device: str = "auto",
    threads: int | None = None,
    encoder: nn.Module | None = None,
    comm: Comm | None = None,
    features: Tensor | None = None,
    load_options: Mapping[str, object] | None = None,
    most: int | None = None,
) -> Record:
    """kNN, linear and cluster accuracy of the trained encoder, of pixels, of histograms and of the encoder untrained.

    Features are extracted once and frozen. The learning rows are the training split, the test rows
    are used for the figures only. Written to evaluation.json.

    Args:
        run: a run folder.
        images: those that the run was trained on, where they are not to be loaded again.
        baselines: measure pixels, histograms and the untrained encoder too.
        device: where features are extracted.
        threads: CPU threads.
        encoder: an untrained instance of the network that was given to `train` from Python.
        comm: the processes that share the work; None for those that torchrun started.
        features: those of the trained encoder (`features_of`), where they are known.
        load_options: options of loading that differ from the run's (`core/load_options.py`).
        most: labelled images that are looked at, at the most; of more a sample, in which both kinds of rows keep their
            shares. None: all.

    Raises:
        LookalikeError: the images have no labels, or too few of them.
    """
    begun = time.monotonic()
    machine.use_threads(threads)
    device = own_device(machine.resolve_device(device))
    comm = comm or join(device)
    with ExitStack() as held:
        with comm.collective_errors():
            if comm.first:
                held.enter_context(run.writing())
        return _evaluate(run, images, baselines, device, encoder, comm, features, load_options, most, begun)


def _evaluate(
    run: RunFolder,
    images: Images | None,
    baselines: bool,
    device: str,
    encoder: nn.Module | None,
    comm: Comm,
    features: Tensor | None,
    load_options: Mapping[str, object] | None,
    most: int | None,
    begun: float,
) -> Record:
    method, options = options_of(run)
    images = images or images_of(run, options, load_options)
    bank, test = split_of(images, options.data)
    of_all: dict[str, dict[str, int]] = {}
    if most is not None and most < len(bank) + len(test):
        of_all["sample_of"] = {"learning_rows": len(bank), "test_rows": len(test)}
        rows = sampled(images, bank, test, most)
        images, features = images.of_rows(rows), None if features is None else features[rows]
        bank, test = split_of(images, options.data)
    assert images.labels is not None
    scores: dict[str, Scores] = {}
    if baselines:  # the untrained network comes first: from Python, one instance serves as both
        channels = None if encoder is not None else load_feature_extractor(run.encoder, device).spec.channels
        scores = baseline_scores(options, images, device, encoder, comm, channels)
    if features is None:
        features = load_feature_extractor(run.encoder, device, encoder).features(images.center_crops, comm)
    scores = {TRAINED: measure(features, images.labels, bank, test, len(images.classes), comm), **scores}
    begun_with: dict[str, str] = {}
    if baselines and encoder is None and options.init is not None and options.epochs:
        backbone, begun_with["init"] = begun_from(run, options, images, device)
        if backbone is not None:
            features = backbone.features(images.center_crops, comm)
            scores["init"] = measure(features, images.labels, bank, test, len(images.classes), comm)
    classifier = None
    if find_method(method).needs_labels:
        classifier = _classifier_accuracy(run, method, options, images, device)
    rules = {
        **protocol(bank, test, len(images.classes), penalties(scores)),
        "split": "the data's own" if images.split is not None else "20 % held out by a hash of the path",
        "training_saw": _training_saw(method, options, images)
        if options.epochs
        else "nothing: it was not trained here",
        **begun_with,
        **of_all,
    }
    result = Evaluation(scores, rules, classifier).to_json()
    if comm.first:
        before = read_json(run.evaluation) if run.evaluation.exists() else {}
        result |= {key: before[key] for key in OTHERS if key in before}
        write_json(run.evaluation, result)
        run.update(seconds={"evaluate": time.monotonic() - begun})
    return result


def split_of(images: Images, data: str | Sequence[str]) -> tuple[Tensor, Tensor]:
    """Rows (int64) to learn from and to test on.

    Raises:
        LookalikeError: the images have no labels, or too few of them.
    """
    split = images.evaluation
    if split is None or images.labels is None:
        raise LookalikeError(
            f"{spoken(data)} has no labels to evaluate against; put images of a class into a folder of "
            "their own, or look at the features themselves (lookalike embed)"
        )
    if not can_evaluate(images):
        raise LookalikeError(
            f"too few labelled images to evaluate: {len(split[0])} to learn from, {len(split[1])} to test on, and at "
            f"least {K} and 1 are needed; label more of them, or let labels spread from a few (lookalike label)"
        )
    return split


def sampled(images: Images, bank: Tensor, test: Tensor, most: int) -> Tensor:
    """`most` rows (int64, rising) of both kinds, by content, each kind with its share."""
    share = most / (len(bank) + len(test))
    samples = []
    for rows in (bank, test):
        order = rng.permutation(0, "evaluate/sample", 0, len(rows))[: max(K, round(share * len(rows)))]
        samples.append(content_order(images, rows)[order])
    return torch.cat(samples).sort().values


def penalties(scores: Mapping[str, Scores]) -> dict[str, float]:
    """The penalties of the linear probes, by the kinds of features."""
    return {kind: score.penalty for kind, score in scores.items() if score.penalty is not None}


def begun_from(
    run: RunFolder, options: TrainOptions, images: Images, device: str
) -> tuple[FeatureExtractor | None, str]:
    """The network with the weights that --init named, and what they are; None, and why, where they are gone."""
    try:
        assert options.init is not None
        pretrained = find_pretrained(
            dataclasses.replace(options, init=find_place(options.init, run.folders()) or options.init)
        )
        assert pretrained is not None
        before = run.status().init_hash
        if pretrained.fingerprint() != before:
            return None, f"{options.init}: left out, as the file is another one than the training began with"
        backbone = build_pretrained(pretrained, options, images, device)
        return backbone, f"the weights of {options.init}, before the first step"
    except (LookalikeError, OSError) as error:
        return None, f"{options.init}: left out: {error}"


def baseline_scores(
    options: TrainOptions,
    images: Images,
    device: str,
    encoder: nn.Module | None,
    comm: Comm,
    channels: int | None = None,
) -> dict[str, Scores]:
    """What `measure` finds with raw pixels (`pixels`), colour histograms with coarse thumbnails (`histograms`) and the
    untrained network (`random`): no training changes it.

    `channels` are those that the network takes, where they are not those of the images.
    """
    assert images.evaluation is not None and images.labels is not None
    bank, test = images.evaluation
    untrained = with_recomputed_bn_stats(untrained_backbone(options, images, device, encoder, channels), images)
    features: dict[str, FeatureFunction] = {
        **BASELINES,
        "random": lambda center_crops: untrained.features(center_crops, comm),
    }
    return {
        name: measure(extract(images.center_crops), images.labels, bank, test, len(images.classes), comm)
        for name, extract in features.items()
    }


def _classifier_accuracy(run: RunFolder, method: str, options: TrainOptions, images: Images, device: str) -> float:
    """Accuracy on the test rows of the classifier that supervised training ends with."""
    assert images.evaluation is not None and images.labels is not None
    bank, test = images.evaluation
    backbone = load_feature_extractor(run.encoder, device)
    trained_method = find_method(method)(backbone.encoder, options, len(bank), len(images.classes))
    trained_method = placed(trained_method.double() if options.precision == "float64" else trained_method, device)
    trained_method.load_state_dict(load_checkpoint(run.checkpoint)["method"])
    classifier = dataclasses.replace(backbone, encoder=Projections(trained_method))
    return float((classifier.features(images.center_crops.take(test)).argmax(1) == images.labels[test]).double().mean())


def _training_saw(method: str, options: TrainOptions, images: Images) -> str:
    if not options.epochs:
        return "nothing: it was not trained here"
    if find_method(method).needs_labels:
        fraction = getattr(options, "label_fraction", None)
        if fraction is not None:
            return f"{fraction:g} of the learning rows, drawn by class, and their labels"
        return "the learning rows and their labels"
    return "the training split, without labels" if images.split is not None else "all images, without labels"
