"""Does `--augment auto` choose as labels would? Every recipe of views on several data sets, judged in three ways.

    python studies/choose_views.py mnist:DIR CIFAR10_DIR PHOTOS_DIR [--seeds 0,1] [--images 10000]

The same short trainings that the choice is made by (`engine/choose_views.py`: a small network, small copies, a tenth of
a run's steps), for every recipe and not only until one will do. Columns: kNN accuracy on the test images, which is what
a choice should be ranked by and is used for nothing else; the same on half of the training images by the other half,
for comparing ways to choose without looking at the test images; how many times as often as untrained a view finds its
own image, which is what the choice goes by; how well a linear probe tells by how many quarters an image was turned
(SelfAugment: Reed et al. 2021), on images that the probe did not learn from; and the effective rank of the features
(RankMe: Garrido et al. 2023). With --keep DIR the trained networks are kept there, for looking at more.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from scipy.stats import spearmanr
from torch import Tensor

from lookalike import api
from lookalike.core import machine, rng
from lookalike.data.base import Images, load
from lookalike.engine.choose_views import helped, recipes_for, small_copies, trained, trial_steps, tried
from lookalike.engine.resolve import resolve
from lookalike.evaluate.knn import knn_accuracy
from lookalike.methods.simclr import Options

_PROBED, _RIDGE = 3000, 0.1
_ASKED = 2000  # test images, about


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="DATA with labels and a split")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--images", type=int, default=10_000, help="training images at the most")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--keep", type=Path, help="a folder for the trained networks")
    args = parser.parse_args()
    machine.prepare(args.threads)
    for data in args.data:
        study(data, [int(seed) for seed in args.seeds.split(",")], args.images, args.keep)


def study(data: str, seeds: list[int], most: int, keep: Path | None) -> None:
    """Print the table of one data set."""
    whole = load(data)
    images = sample(whole, most)
    found: dict[str, list[tuple[float, ...]]] = {}
    begun = time.monotonic()
    for seed in seeds:
        options = resolve(Options(data=data, seed=seed), "simclr", set(), images, images.training)
        backbones = partial(api.untrained_backbone, device="cpu")
        copies = small_copies(images, images.training, seed, [])
        for name in recipes_for(images.coloured, options.augment, by_labels=True):
            trainer = trained(name, trial_steps(options, len(whole.training)), options, copies, backbones)
            features = trainer.backbone.features
            knn, inside = labelled(images, copies, features), within_training(images, copies, features)
            row = (knn, inside, helped(trainer), rotation(features, copies), effective_rank(features, copies))
            found.setdefault(name, []).append(row)
            print(f"seed {seed}, {name}: " + ", ".join(f"{value:.3f}" for value in row), flush=True)
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                torch.save(trainer.backbone.encoder.state_dict(), keep / f"{images.name}-{seed}-{name}.pt")
        by_views = {name: rows[-1][2] for name, rows in found.items()}
        names = recipes_for(images.coloured, options.augment, by_labels=False)
        scores = tried(names, by_views.__getitem__)
        print(f"{images.name}, seed {seed}: {max(scores, key=scores.__getitem__)} is chosen; {scores}", flush=True)
    print(f"\n| {images.name} | kNN | kNN, training | helped | rotation | rank |\n|---|---|---|---|---|---|")
    means = {name: [statistics.mean(column) for column in zip(*rows, strict=True)] for name, rows in found.items()}
    for name, row in sorted(means.items(), key=lambda item: -item[1][0]):
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in row) + " |")
    columns = list(zip(*means.values(), strict=True))
    titles = ("kNN, training", "helped", "rotation", "rank")
    with_knn = [float(spearmanr(columns[0], column).statistic) for column in columns[1:]]
    print(
        "\nrank correlation with kNN: "
        + ", ".join(f"{name} {value:.2f}" for name, value in zip(titles, with_knn, strict=True))
        + f"; seeds {seeds}; {time.monotonic() - begun:.0f} s\n",
        flush=True,
    )


def sample(images: Images, most: int) -> Images:
    """At most so many of the training images, and 2,000 of the others, in memory."""
    rows = images.training[rng.permutation(0, "study/sample", 0, len(images.training))[:most]]
    assert images.split is not None
    test = torch.tensor([row for row, part in enumerate(images.split) if part == "test"])
    test = test[:: max(1, len(test) // _ASKED)]
    return images.of_rows(torch.cat([rows, test]))


def labelled(images: Images, copies: Images, features: Callable[[Tensor], Tensor]) -> float:
    """kNN accuracy on the test images, all brought to the size of the copies."""
    assert images.evaluation is not None and images.labels is not None
    small = dataclasses.replace(images, side=copies.shape[1])
    bank, test = images.evaluation
    x_ND = features(small.squares)  # type: ignore[arg-type]
    return knn_accuracy(x_ND[bank], images.labels[bank], x_ND[test], images.labels[test])


def within_training(images: Images, copies: Images, features: Callable[[Tensor], Tensor]) -> float:
    """kNN accuracy on every other training image by those between, no test image being looked at."""
    assert images.labels is not None
    small = dataclasses.replace(images, side=copies.shape[1])
    rows = images.training[images.labels[images.training] >= 0]
    x_ND, y_N = features(small.squares[rows]), images.labels[rows]
    return knn_accuracy(x_ND[::2], y_N[::2], x_ND[1::2], y_N[1::2])


def effective_rank(features: Callable[[Tensor], Tensor], copies: Images) -> float:
    """RankMe: the exponential of the entropy of the singular values of some images' features."""
    values = torch.linalg.svdvals(features(copies.squares[slice(_PROBED)]).double())
    p = values / values.sum()
    return float(torch.exp(-(p * (p + 1e-12).log()).sum()))


def rotation(features: Callable[[Tensor], Tensor], copies: Images) -> float:
    """Share of images whose turn is told rightly; 0.25 is chance. Even rows are learned from, odd rows asked."""
    x_NCHW = copies.squares[slice(_PROBED)]
    x_QND = torch.stack([features(torch.rot90(x_NCHW, k, (2, 3)).contiguous()) for k in range(4)]).double()
    learn, asked = x_QND[:, ::2].flatten(0, 1), x_QND[:, 1::2].flatten(0, 1)
    mean, spread = learn.mean(0), learn.std(0).clamp_min(1e-6)
    learn, asked = (learn - mean) / spread, (asked - mean) / spread
    y_L = torch.arange(4).repeat_interleave(len(learn) // 4)
    y_A = torch.arange(4).repeat_interleave(len(asked) // 4)
    gram = learn.T @ learn / len(learn)
    gram.diagonal().add_(_RIDGE * gram.diagonal().mean())
    one_hot = torch.nn.functional.one_hot(y_L, 4).double() - 0.25
    weights = torch.linalg.solve(gram, learn.T @ one_hot / len(learn))
    return float(((asked @ weights).argmax(1) == y_A).double().mean())


if __name__ == "__main__":
    main()
