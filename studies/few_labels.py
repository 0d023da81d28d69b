"""Ways to use a few labels, and images that were selected against random ones, on the features of a run.

    python studies/few_labels.py RUN

Both are of training images alone (all of them where there is no split), as ways are chosen by these tables: so many
labels of each class are drawn, and accuracy is that of the training images that were not drawn. `select` is given no
labels and no number of classes; random images are drawn without regard to classes too. Mean and sample deviation over
ten drawings (of select: over ten seeds of its clusters).
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lookalike.core import rng
from lookalike.engine.run_folder import RunFolder
from lookalike.evaluate.few_shot import drawn, knn_of_few, linear_of_few
from lookalike.evaluate.propagate import Graph
from lookalike.evaluate.smooth import smoothed
from lookalike.evaluate.typiclust import typical_rows

Guess = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--images", type=int, default=6_000, help="training images looked at, at the most")
    parser.add_argument("--labels", default="1,5,10")
    parser.add_argument("--select", default="10,20,50,100")
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    x_ND, labels_N = training_features(RunFolder.existing(arguments.run), arguments.images)
    classes = int(labels_N.max()) + 1
    graph = Graph(x_ND, torch.arange(len(x_ND)))
    rows, flat = smoothed(x_ND, x_ND)

    def spread(known: Tensor, codes: Tensor) -> Tensor:
        return graph.spread(known, codes, classes).argmax(1)

    ways: dict[str, Guess] = {
        "nearest, plain": lambda known, codes: knn_of_few(x_ND[known], codes, x_ND, x_ND),
        "linear, plain": lambda known, codes: linear_of_few(x_ND[known], codes, x_ND, x_ND),
        "nearest": lambda known, codes: knn_of_few(rows[known], codes, rows, flat),
        "linear": lambda known, codes: linear_of_few(rows[known], codes, rows, flat),
        "along the graph": spread,
    }
    print("| labels a class | " + " | ".join(ways) + " |\n" + "|---" * (len(ways) + 1) + "|")
    for k in map(int, arguments.labels.split(",")):
        draws = [drawn(labels_N, torch.arange(len(x_ND)), k, 1000 + seed) for seed in range(arguments.seeds)]
        cells = [said([accuracy(guess, labels_N, known) for known in draws]) for guess in ways.values()]
        print(f"| {k} | " + " | ".join(cells) + " |", flush=True)
    print("\n| labels | selected | random |\n|---|---|---|")
    none = torch.empty(0, dtype=torch.int64)
    for n in map(int, arguments.select.split(",")):
        chosen = [typical_rows(x_ND, n, none, seed) for seed in range(arguments.seeds)]
        random = [rng.permutation(seed, "study/random", 0, len(x_ND))[:n] for seed in range(arguments.seeds)]
        cells = [said([accuracy(spread, labels_N, known) for known in draws]) for draws in (chosen, random)]
        print(f"| {n} | " + " | ".join(cells) + " |", flush=True)


def training_features(run: RunFolder, most: int) -> tuple[Tensor, Tensor]:
    """Features and labels of some of the training images."""
    with open(run.index, newline="", encoding="utf-8", errors="surrogateescape") as file:
        index = list(csv.DictReader(file))
    rows = [i for i, row in enumerate(index) if row["split"] != "test" and row["label"]]
    rows = sorted(rows[i] for i in rng.permutation(0, "study/images", 0, len(rows))[:most].tolist())
    names = sorted({index[i]["label"] for i in rows})
    labels_N = torch.tensor([names.index(index[i]["label"]) for i in rows])
    return torch.from_numpy(np.array(np.load(Path(run.embeddings), mmap_mode="r")[rows])), labels_N


def accuracy(guess: Guess, labels_N: Tensor, known: Tensor) -> float:
    """Share of the images that are not known whose label is guessed."""
    rest = torch.ones(len(labels_N), dtype=torch.bool)
    rest[known] = False
    return float((guess(known, labels_N[known]) == labels_N)[rest].double().mean())


def said(each: list[float]) -> str:
    """Mean and deviation."""
    return f"{statistics.fmean(each):.3f} +- {statistics.stdev(each):.3f}"


if __name__ == "__main__":
    main()
