"""What batch size and optimiser do to SimCLR at equal epochs: the study that the paper's memory did not allow.

    python studies/batch_size.py mnist:DIR --epochs 4 --longer 12
    python studies/batch_size.py DIR --images 12500 --epochs 6 --longer 12

The paper trained with batches of 128, as more did not fit, and concluded that the batch "did not suffice" and that
longer training did not help. Here each batch size is trained with SGD and with LARS for as many epochs, with the
learning rates of the tool (linear in the batch) and one temperature, and the smallest batch also for `--longer`
epochs with SGD. The share of an image's closest 20 that are of its class is that of training images after each
epoch; kNN and linear accuracy are of the test images, at the last epoch. Runs are kept below --out: an interrupted
study goes on where it stopped. --only i/n runs every n-th of the rows, so that several can be made side by side.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lookalike import api
from lookalike.core import rng
from lookalike.core.files import read_json, write_json
from lookalike.core.metrics import read_metrics
from lookalike.data.base import Images
from lookalike.data.loading import load as load_images
from lookalike.engine.feature_extractor import load_feature_extractor
from lookalike.evaluate.knn import knn_accuracy
from lookalike.evaluate.linear import linear_accuracy
from lookalike.methods.simclr import Options


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--longer", type=int, metavar="EPOCHS", help="of one more run with the smallest batch")
    parser.add_argument("--images", type=int, metavar="N", help="train on so many of the training images")
    parser.add_argument("--batches", default="128,512,2048")
    parser.add_argument("--temperature", type=float, default=0.5)
    parser.add_argument("--out", default="runs/batch-size")
    parser.add_argument("--only", default="0/1")
    arguments = parser.parse_args()
    images = load_images(arguments.data)
    if arguments.images:
        images = with_fewer(images, arguments.images)
    sizes = [int(size) for size in arguments.batches.split(",")]
    rows = [(size, optimizer, arguments.epochs) for size, optimizer in itertools.product(sizes, ("sgd", "lars"))]
    rows += [(sizes[0], "sgd", arguments.longer)] if arguments.longer else []
    first, of = map(int, arguments.only.split("/"))
    for size, optimizer, epochs in rows[first::of]:
        folder = Path(arguments.out) / f"{images.name}-{optimizer}-{size}-{epochs}"
        run_row(images, arguments.data, folder, size, optimizer, epochs, arguments.temperature)
    print(table(Path(arguments.out), images.name))


def with_fewer(images: Images, n: int) -> Images:
    """The data set with n of its training images, in their order, and all of its test images."""
    kept = set(images.training[rng.permutation(0, "study/subset", 0, len(images.training))[:n]].tolist())
    rows = [i for i in range(len(images)) if i in kept or images.split is None or images.split[i] == "test"]
    assert images.labels is not None and images.split is not None
    return replace(images.of_rows(torch.tensor(rows)), name=f"{images.name}-{n}")


def run_row(
    images: Images, data: str, folder: Path, size: int, optimizer: str, epochs: int, temperature: float
) -> None:
    """Train and measure one row, unless that was done before."""
    done = folder / "study.json"
    if done.exists():
        return
    changes: dict[str, Any] = {
        "batch_size": size,
        "optimizer": optimizer,
        "epochs": epochs,
        "temperature": temperature,
        "check_every": 1,
    }
    options = Options(data=data, out=str(folder), **changes)
    run = api.train("simclr", options, set(changes), images=images, command="studies/batch_size.py")
    features = load_feature_extractor(run.encoder, "cpu").features(images.pixels)
    assert images.evaluation is not None and images.labels is not None
    (bank, test), y = images.evaluation, images.labels
    looks = [event for event in read_metrics(run.metrics) if event["event"] == "look"]
    record = {
        "batch": size,
        "optimizer": optimizer,
        "epochs": epochs,
        "knn": knn_accuracy(features[bank], y[bank], features[test], y[test]),
        "linear": linear_accuracy(features[bank], y[bank], features[test], y[test])[0],
        "closest": [event["closest"] for event in looks if event["of"] == "network"],
        **{name: event["closest"] for name in ("pixels", "untrained") for event in looks if event["of"] == name},
        "seconds": run.status().seconds["train"],
    }
    write_json(done, record)


def table(out: Path, name: str) -> str:
    """Everything found so far, as markdown."""
    records = [read_json(path) for path in out.glob(f"{name}-*/study.json")]
    lines = ["| batch | optimiser | epochs | linear | kNN | closest 20, by epoch | training, s |", "|---" * 7 + "|"]
    for r in sorted(records, key=lambda r: (r["epochs"], r["batch"], r["optimizer"])):
        closest = " ".join(f"{share:.3f}" for share in r["closest"])
        lines.append(
            f"| {r['batch']} | {r['optimizer']} | {r['epochs']} | {r['linear']:.4f} | {r['knn']:.4f} | {closest} "
            f"| {r['seconds']:.0f} |"
        )
    if records:
        lines.append(f"\nClosest 20 of pixels {records[0]['pixels']:.3f}, untrained {records[0]['untrained']:.3f}.")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
