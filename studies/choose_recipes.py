"""How the recipes' values are chosen: on training images alone.

    python studies/choose_recipes.py digits mnist:DIR DIR

A sixth of the training images is held out, every candidate is trained on the others, and what it reaches on those
held out is printed; the test split is dropped before anything else happens. Seeds and epochs are few: this is
to choose by, not to report. Each candidate has a run folder below --out, so an interrupted study goes on where it
stopped.

The rule, made before the figures: the candidate of highest linear accuracy; within 0.002 of it, the one whose ten
groups by k-means agree best with the classes. For the digits, whose demonstration is about groups: k-means first,
the mean over two seeds.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from lookalike import api
from lookalike.core import registry, rng
from lookalike.core.files import read_json, write_json
from lookalike.data.base import Images
from lookalike.data.loading import load as load_images
from lookalike.engine.feature_extractor import load_feature_extractor
from lookalike.engine.presets import choose_preset
from lookalike.evaluate.clusters import clustering_metrics, groups
from lookalike.evaluate.knn import knn_accuracy
from lookalike.evaluate.linear import linear_accuracy

HELD_OUT = 6  # one training image in so many

CANDIDATES: dict[str, dict[str, list[dict[str, Any]]]] = {
    "digits": {
        "deepcluster": [{"n_clusters": 30}, {"n_clusters": 50}, {"n_clusters": 100}],
        "deepcluster-v2": [{"n_clusters": k, "lr": lr} for lr in (0.2, 0.5) for k in (50, 100)],
    },
    "mnist": {
        "deepcluster": [{"n_clusters": 30}, {"n_clusters": 100}, {"n_clusters": 300}],
        "deepcluster-v2": [{"n_clusters": 100}, {"n_clusters": 300}, {"n_clusters": 1000}],
        "supervised": [{"weight_decay": 1e-4}, {"weight_decay": 5e-4}],
    },
    "small-images": {
        "deepcluster": [{"n_clusters": k, "epochs": 4} for k in (100, 300, 1000)],
        "deepcluster-v2": [{"n_clusters": k, "epochs": 4} for k in (150, 500, 1500)],
        "supervised": [{"weight_decay": decay, "epochs": 8} for decay in (1e-4, 5e-4)],
    },
}
SEEDS = {"digits": (0, 1), "mnist": (0,), "small-images": (0,)}


def main() -> None:
    """Train and judge what has not been judged yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", metavar="DATA")
    parser.add_argument("--methods", default="deepcluster,deepcluster-v2,supervised")
    parser.add_argument("--out", default="runs/choose")
    arguments = parser.parse_args()
    for data in arguments.data:
        images = without_test(load_images(data))
        recipe = choose_preset(images)
        for method in arguments.methods.split(","):
            for changes in CANDIDATES[recipe].get(method, []):
                for seed in SEEDS[recipe]:
                    name = "-".join([recipe, method, *(f"{k}={v}" for k, v in changes.items()), str(seed)])
                    print(name, judge(method, changes, seed, data, images, Path(arguments.out) / name), flush=True)


def without_test(images: Images) -> Images:
    """The images that training learns from, with a sixth of them as their test split."""
    assert images.evaluation is not None and images.labels is not None
    rows = images.evaluation[0]
    order = rng.permutation(0, "choose/held-out", 0, len(rows))
    held = set(order[: len(rows) // HELD_OUT].tolist())
    return replace(
        images,
        pixels=images.pixels[rows],
        paths=tuple(images.paths[i] for i in rows.tolist()),
        labels=images.labels[rows],
        split=tuple("test" if i in held else "train" for i in range(len(rows))),
        name=f"{images.name}-training-rows",
    )


def judge(method: str, changes: dict[str, Any], seed: int, data: str, images: Images, out: Path) -> dict[str, float]:
    """What a candidate reaches on the training images that were held out."""
    verdict = out / "verdict.json"
    if verdict.exists():
        return read_json(verdict)
    options = registry.find("methods", method, "method").Options(data=data, out=str(out), seed=seed, **changes)
    run = api.train(method, options, {"seed", *changes}, images=images, command="studies/choose_recipes.py")
    features = load_feature_extractor(run.encoder, "cpu").features(images.pixels)
    assert images.evaluation is not None and images.labels is not None
    (learn, held), y = images.evaluation, images.labels
    _, predict = groups("kmeans", features[learn], len(images.classes))
    found = {
        "linear": round(linear_accuracy(features[learn], y[learn], features[held], y[held])[0], 4),
        "knn": round(knn_accuracy(features[learn], y[learn], features[held], y[held]), 4),
        "kmeans": round(clustering_metrics(predict(features[held]), y[held]).accuracy, 4),
    }
    write_json(verdict, found)
    return found


if __name__ == "__main__":
    main()
