"""The demonstration: SimCLR on the bundled digits, measured against pixels and an untrained network."""

from __future__ import annotations

import time
from typing import Any

from torch import Tensor

from lookalike import api
from lookalike.core import machine
from lookalike.core.files import write_json
from lookalike.data.base import Images
from lookalike.engine.backbone import load_backbone
from lookalike.engine.looks import pixel_features
from lookalike.engine.run_folder import RunFolder
from lookalike.evaluate.clusters import kmeans_accuracy
from lookalike.evaluate.few_labels import few_labels_accuracy
from lookalike.evaluate.knn import knn_accuracy
from lookalike.evaluate.linear import linear_accuracy
from lookalike.methods.simclr import Options

COLUMNS = {
    "kmeans": "k-means, 10 clusters",
    "one_label": "1 label a class",
    "knn": "kNN",
    "linear": "linear",
}


def run_demo(out: str, seed: int, threads: int | None = None, **changes: Any) -> dict[str, Any]:
    """Train on the digits and compare.

    Args:
        out: run folder.
        seed: of the training.
        threads: CPU threads.
        changes: other options of SimCLR.

    Returns:
        `rows` (pixels, untrained, trained) with the accuracies of `COLUMNS` in [0, 1], and `seconds`.
    """
    begun = time.monotonic()
    options = Options(data="digits", out=out, seed=seed, threads=threads, **changes)
    run = api.train("simclr", options, {"seed", *changes}, command="lookalike demo")
    _, options_used = api.options_of(run)
    images = api.images_of(run, options_used)
    device = machine.resolve_device(options.device)
    untrained = api.untrained_backbone(options_used, images, device)
    features = {
        "pixels": pixel_features(images.pixels),
        "untrained": api.calibrated(untrained, images).features(images.pixels),
        "trained": load_backbone(run.encoder, device).features(images.pixels),
    }
    api.write_features(run.path, images, features["trained"])
    result: dict[str, Any] = {"rows": {name: _row(x, images, seed) for name, x in features.items()}}
    api.finish(run)
    result["seconds"] = {"demo": round(time.monotonic() - begun, 1), **RunFolder(run.path).status()["seconds"]}
    write_json(run.path / "demo.json", result)
    return result


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
