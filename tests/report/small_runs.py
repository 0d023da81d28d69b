"""Small real runs with planted duplicates and an outlier, for tests of what the page is made of."""

import dataclasses
from pathlib import Path

import torch

from lookalike import api
from lookalike.core.budget import EVALUATION, FEATURES, GROUPS
from lookalike.data.base import Images
from lookalike.data.loading import load as load_images
from lookalike.methods import deepcluster, simclr
from lookalike.runs.folder import RunFolder

SAME, NEAR, UNLIKE = (5, 50, 51), (7, 60), 100  # image numbers


def planted(n: int = 240) -> Images:
    """The first n digits: three of them the same, two nearly so, one an even noise; the last is without a label."""
    images = load_images("digits")
    assert images.labels is not None
    pixels, labels = images.pixels[:n].clone(), images.labels[:n].clone()
    pixels[list(SAME)] = pixels[SAME[0]].clone()
    noise = torch.randint(0, 9, pixels[0].shape, generator=torch.Generator().manual_seed(0))
    pixels[NEAR[1]] = (pixels[NEAR[0]].int() + noise).clamp(0, 255).byte()
    pixels[UNLIKE] = torch.randint(0, 256, pixels[0].shape, generator=torch.Generator().manual_seed(1)).byte()
    labels[n - 1] = -1
    return dataclasses.replace(
        images, pixels=pixels, paths=images.paths[:n], labels=labels, skipped=(("broken.jpg", "cut, or <b>worse</b>"),)
    )


def small_run(out: Path, method: str = "deepcluster", images: Images | None = None, **changes: object) -> RunFolder:
    """Two epochs of a small network, looked at after each; evaluated, embedded and grouped into 10."""
    images = images or planted()
    said = {"epochs": 2, "batch_size": 80, "width": 8, "check_every": 1, "precision": "float32", **changes}
    if method == "deepcluster":
        said = {"n_clusters": 12, **said}
    kind = deepcluster.Options if method == "deepcluster" else simclr.Options
    options = kind(data="digits", out=str(out), threads=1, **said)
    run = api.train(method, options, set(said), images=images, command="lookalike train ...")
    return api.finish(run, api.Wish((FEATURES, EVALUATION, GROUPS), groups=10), images=images, threads=1).run
