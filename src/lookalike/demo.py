"""The demonstration: the methods on the bundled digits, measured against pixels and an untrained network."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from torch import Tensor

from lookalike import api
from lookalike.core import machine, registry
from lookalike.core.files import write_json
from lookalike.data.base import Images
from lookalike.data.base import load as load_images
from lookalike.engine.backbone import load_backbone
from lookalike.engine.grouping import group_run
from lookalike.engine.looks import pixel_features
from lookalike.evaluate.clusters import kmeans_accuracy
from lookalike.evaluate.few_labels import few_labels_accuracy
from lookalike.evaluate.knn import knn_accuracy
from lookalike.evaluate.linear import linear_accuracy

METHODS = {"simclr": "SimCLR", "deepcluster": "DeepCluster", "deepcluster-v2": "DeepCluster-v2"}
"""Methods that learn without labels, with the names of their rows."""
COLUMNS = {
    "kmeans": "k-means, 10 clusters",
    "one_label": "1 label a class",
    "knn": "kNN",
    "linear": "linear",
}


def run_demo(out: str, seed: int, threads: int | None = None, **changes: Any) -> dict[str, Any]:
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
    device = machine.resolve_device("auto")
    images = load_images("digits")
    rows = {"pixels": _row(pixel_features(images.squares), images, seed)}
    seconds = {}
    folders = dict(zip(METHODS, [out, *beside(out)], strict=True))
    for method, title in METHODS.items():
        kind = registry.find("methods", method, "method").Options
        options = kind(data="digits", out=folders[method], seed=seed, threads=threads, **changes)
        run = api.train(method, options, {"seed", *changes}, images=images, command="lookalike demo")
        if "untrained" not in rows:
            untrained = api.untrained_backbone(api.options_of(run)[1], images, device)
            rows["untrained"] = _row(api.calibrated(untrained, images).features(images.squares), images, seed)
        features = load_backbone(run.encoder, device).features(images.squares)
        rows[title] = _row(features, images, seed)
        api.write_features(run.path, images, features)
        group_run(run, len(images.classes), "kmeans", seed)
        api.finish(run)
        seconds[method] = run.status()["seconds"]["train"]
    result = {"rows": rows, "seconds": {"demo": round(time.monotonic() - begun, 1), **seconds}}
    write_json(Path(out) / "demo.json", result)
    return result


def beside(out: str) -> list[str]:
    """The run folders of the methods after the first, whose own is `out`."""
    return [f"{out}-{method}" for method in list(METHODS)[1:]]


def _row(x_ND: Tensor, images: Images, seed: int) -> dict[str, float]:
    assert images.labels is not None and images.evaluation is not None  # the digits have labels
    y, (bank, test) = images.labels, images.evaluation
    one_label, spread = few_labels_accuracy(x_ND, y, per_class=1, seed=seed)
    return {
        "kmeans": kmeans_accuracy(x_ND, y, len(images.classes), seed),
        "one_label": one_label,
        "one_label_spread": spread,
        "knn": knn_accuracy(x_ND[bank], y[bank], x_ND[test], y[test]),
        "linear": linear_accuracy(x_ND[bank], y[bank], x_ND[test], y[test])[0],
    }
