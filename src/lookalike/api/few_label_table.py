"""The semi-supervised table: what a few labels are worth with a run's network, untrained, and without a network.

So many labelled images of each class are drawn from the learning rows, with a seed; what learns from them is measured
on the test rows, and again with other seeds. Everything that could be chosen is fixed beforehand.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lookalike.api.evaluating import can_evaluate
from lookalike.api.finetuning import quick_finetune
from lookalike.api.networks import untrained_backbone, with_recomputed_bn_stats
from lookalike.api.records import images_of, options_of
from lookalike.core import machine, rng
from lookalike.core.arithmetic import outside_autocast
from lookalike.core.errors import LookalikeError
from lookalike.core.files import read_json, write_json
from lookalike.core.options import spoken
from lookalike.core.process import threads_kept
from lookalike.core.progress import phase
from lookalike.core.record_types import Record
from lookalike.data.base import Images, content_order
from lookalike.engine.feature_extractor import load_feature_extractor
from lookalike.evaluate.baselines import BASELINES
from lookalike.evaluate.few_shot import PROTOCOL, drawn, knn_of_few, linear_of_few
from lookalike.evaluate.smooth import smoothed
from lookalike.runs.folder import RunFolder, writes

_BANK = 10_000  # learning rows that smooth, at the most


@writes
@outside_autocast
@threads_kept()
def few_labels(
    run: RunFolder,
    per_class: Sequence[int] = (1, 5, 10),
    seeds: int = 10,
    *,
    finetune: bool = True,
    baselines: bool = True,
    images: Images | None = None,
    device: str = "auto",
    threads: int | None = None,
    encoder: nn.Module | None = None,
    load_options: Mapping[str, object] | None = None,
) -> Record:
    """Accuracy from so many labels of each class, over `seeds` drawings.

    Args:
        run: a run folder.
        per_class: labels of each class; a class that has fewer gives all it has.
        seeds: drawings, 0 to seeds - 1; all ways and all features see the same ones.
        finetune: train the network on as well, from the run's weights and from untrained ones.
        baselines: measure pixels, histograms and the untrained network too.
        images: those that the run was trained on, where they are not to be loaded again.
        device: where to compute.
        threads: CPU threads.
        encoder: an untrained instance of the network that was given to `train` from Python.
        load_options: options of loading that differ from the run's (`core/load_options.py`).

    Returns:
        `{"trained": {"1": {"knn": {"mean", "std", "each"}, "linear": ..., "finetuned": ...}, ...}, "untrained": ...,
        "pixels": ..., "histograms": ..., "protocol": ...}`; also written to evaluation.json as `few_labels`.
        `plain.knn` and `plain.linear` are of features as they are, the others of smoothed ones
        (`evaluate/smooth.py`). `std` is the sample standard deviation over seeds; `finetuned` of the untrained network
        is training from scratch.

    Raises:
        LookalikeError: no labels, or too few.
    """
    begun = time.monotonic()
    machine.use_threads(threads)
    device = machine.resolve_device(device)
    _, options = options_of(run)
    images = images or images_of(run, options, load_options)
    if images.evaluation is None or images.labels is None or not can_evaluate(images):
        raise LookalikeError(
            f"{spoken(options.data)} has too few labels to evaluate with; put images of a class into a folder of their "
            "own"
        )
    bank, test = content_order(images, images.evaluation[0]), images.evaluation[1]
    networks = {"trained": load_feature_extractor(run.encoder, device, encoder)}
    if baselines and encoder is None:
        networks["untrained"] = with_recomputed_bn_stats(untrained_backbone(options, images, device), images)
    draws = {k: [drawn(images.labels, bank, k, seed) for seed in range(seeds)] for k in per_class}
    some = bank[rng.permutation(0, "few-labels/bank", 0, len(bank))[:_BANK]]
    rows = torch.cat([some, test, *(chosen for each in draws.values() for chosen in each)]).unique()
    center_crops = images.center_crops.take(rows)
    features = {name: network.features(center_crops) for name, network in networks.items()}
    if baselines:
        features |= {name: extract(center_crops) for name, extract in BASELINES.items()}
    place = torch.full((len(images),), -1)
    place[rows] = torch.arange(len(rows))  # of a row of the data among those that have features
    result: Record = {}
    with phase("learning from a few labels", len(features) * len(per_class)) as p:
        for name, x_RD in features.items():
            ways = {"": smoothed(x_RD[place[some]], x_RD), "plain.": (x_RD[place[some]], x_RD)}
            result[name] = {str(k): _of_features(ways, place, images.labels, test, draws[k]) for k in p.over(per_class)}
    if finetune and encoder is None:
        with phase("fine-tuning", len(networks) * len(per_class) * seeds) as p:
            for name, network in networks.items():
                if name == "untrained":  # from scratch is from the weights, not from statistics that were measured
                    network = untrained_backbone(options, images, device)
                for k in per_class:
                    each = [
                        quick_finetune(network, options, images, chosen, test, seed, device)
                        for seed, chosen in enumerate(p.over(draws[k]))
                    ]
                    result[name][str(k)]["finetuned"] = _summary(each)
    short = [images.classes[int(c)] for c in images.labels[bank].unique() if _count(images, bank, c) < max(per_class)]
    result["protocol"] = {
        **PROTOCOL,
        "labels_per_class": list(per_class),
        "seeds": seeds,
        "learning_rows": len(bank),
        "test_rows": len(test),
        "chance": 1 / len(images.classes),
        "classes_with_fewer": short,
    }
    evaluation = read_json(run.evaluation) if run.evaluation.exists() else {}
    write_json(run.evaluation, {**evaluation, "few_labels": result})
    run.update(seconds={"few_labels": time.monotonic() - begun})
    return result


def _of_features(
    kinds: dict[str, tuple[Tensor, Tensor]], place_N: Tensor, labels_N: Tensor, test: Tensor, draws: list[Tensor]
) -> dict[str, Record]:
    """Figures of frozen features of several kinds: rows of the bank, and those that `place_N` leads to."""
    reached: dict[str, list[float]] = {}
    for kind, (bank_MD, x_RD) in kinds.items():
        for probe, predict in (("knn", knn_of_few), ("linear", linear_of_few)):
            for chosen in draws:
                predicted = predict(x_RD[place_N[chosen]], labels_N[chosen], bank_MD, x_RD[place_N[test]])
                right = float((predicted == labels_N[test]).double().mean())
                reached.setdefault(kind + probe, []).append(right)
    return {probe: _summary(each) for probe, each in reached.items()}


def _summary(each: list[float]) -> Record:
    spread = statistics.stdev(each) if len(each) > 1 else 0.0
    return {"mean": statistics.fmean(each), "std": spread, "each": [round(value, 5) for value in each]}


def _count(images: Images, bank: Tensor, c: Tensor) -> int:
    assert images.labels is not None
    return int((images.labels[bank] == c).sum())
