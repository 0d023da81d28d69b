"""The demonstration: the methods on the bundled digits, measured against pixels and an untrained network."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TypedDict

from torch import Tensor

from lookalike import api
from lookalike.core import machine
from lookalike.core.budget import EVALUATION, FEATURES, GROUPS
from lookalike.core.files import read_json, write_json
from lookalike.core.method_facts import in_the_demo
from lookalike.core.options import built
from lookalike.core.process import threads_kept
from lookalike.core.record_types import Record
from lookalike.data.base import Images
from lookalike.data.loading import load as load_images
from lookalike.evaluate.baselines import pixel_features
from lookalike.evaluate.clusters import kmeans_accuracy
from lookalike.evaluate.few_shot import few_shot_accuracy
from lookalike.methods.find import find_method

METHODS = in_the_demo()
"""Methods that learn without labels, with the names of their rows."""
_TASKS = (FEATURES, EVALUATION, GROUPS)
COLUMNS = {
    "kmeans": "k-means, 10 clusters",
    "one_label": "1 label a class",
    "knn": "kNN",
    "linear": "linear",
}


class DemoResult(TypedDict):
    """What demo.json holds."""

    rows: dict[str, dict[str, float]]
    """By the names of the features, the accuracies of `COLUMNS` in [0, 1]."""
    seconds: dict[str, float]
    """Of each training, and of all ("demo")."""


@threads_kept()
def run_demo(out: str, seed: int, threads: int | None = None, **changes: object) -> DemoResult:
    """Train on the digits, once with each method that needs no labels, and compare.

    Args:
        out: run folder of the first method; those of the others are beside it, OUT-METHOD.
        seed: of the training.
        threads: CPU threads.
        changes: other options, of every method.

    Returns:
        `rows` (pixels, untrained, and the methods) with the accuracies of `COLUMNS` in [0, 1], and `seconds`.
    """
    begun = time.monotonic()
    machine.use_threads(threads)
    device = machine.resolve_device("auto")
    images = load_images("digits")
    rows: dict[str, dict[str, float]] = {}
    seconds = {}
    folders = dict(zip(METHODS, [out, *beside(out)], strict=True))
    for method, title in METHODS.items():
        kind = find_method(method).Options
        asked = {"data": "digits", "out": folders[method], "seed": seed, "threads": threads, **changes}
        options = built(kind, asked)
        run = api.train(method, options, {"seed", *changes}, images=images, command="lookalike demo")
        wish = api.Wish(_TASKS, baselines=not rows, groups=len(images.classes), seed=seed)
        features = api.finish(run, wish, images=images, threads=threads).features
        evaluation = read_json(run.evaluation)
        if not rows and "pixels.knn" not in evaluation:  # it was measured again meanwhile, without baselines
            evaluation = api.evaluate(run, images=images, threads=threads, features=features)
        if not rows:
            untrained = api.untrained_backbone(api.options_of(run)[1], images, device)
            rows["pixels"] = _row(pixel_features(images.center_crops), images, seed, evaluation, "pixels.")
            of_untrained = api.with_recomputed_bn_stats(untrained, images).features(images.center_crops)
            rows["untrained"] = _row(of_untrained, images, seed, evaluation, "random.")
        rows[title] = _row(features, images, seed, evaluation)
        seconds[method] = run.status().seconds["train"]
    result = DemoResult(rows=rows, seconds={"demo": round(time.monotonic() - begun, 1), **seconds})
    write_json(Path(out) / "demo.json", result)
    return result


def beside(out: str) -> list[str]:
    """The run folders of the methods after the first, whose own is `out`."""
    return [f"{out}-{method}" for method in list(METHODS)[1:]]


def _row(x_ND: Tensor, images: Images, seed: int, evaluation: Record, prefix: str = "") -> dict[str, float]:
    """What `evaluate` found of these features, and what it does not measure."""
    assert images.labels is not None  # the digits have labels
    one_label, spread = few_shot_accuracy(x_ND, images.labels, per_class=1, seed=seed)
    return {
        "kmeans": kmeans_accuracy(x_ND, images.labels, len(images.classes), seed),
        "one_label": one_label,
        "one_label_spread": spread,
        "knn": evaluation[prefix + "knn"],
        "linear": evaluation[prefix + "linear"],
    }
