"""Does `--augment auto` choose the views that labels would? Recipes on many data sets, tried, then trained for longer.

    python studies/choose_views.py try FOLDER... [--results FILE] [--seeds 0,1] [--steps 300]
    python studies/choose_views.py report [--results FILE]

`try` makes for each folder of labelled images (`studies/sets.py` makes some), seed and recipe the same short
training that the choice is made by (`engine/view_trials.py`), writes down what each way to choose would go by, and
then trains as small a network anew for longer: kNN of its features by the labels, on the test images or of each
image by all others, is what a choice is judged by, and is used for nothing else. What is in FILE is not done again.
`report` prints the tables.

What is written down of a trial, for the views of each recipe as an exam that all networks take: how far a view is
from its own image (`far`), how often it finds it first (`retrieval`), and the share of a view's ten nearest that
are also its image's (`neighbours`); how well a linear probe tells by how many quarters an image was turned, on
images that the probe did not learn from (SelfAugment: Reed et al. 2021); the effective rank of the features
(RankMe: Garrido et al. 2023); the last loss as a share of that at chance. With --keep DIR the features are kept, to
try more.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike import api
from lookalike.augment.recipes import build_augmentation
from lookalike.core import machine, rng
from lookalike.core.config import Config
from lookalike.data.base import Images, LoadConfig
from lookalike.data.loading import load
from lookalike.engine.choose_views import STEPS, most_worth, recipes_for
from lookalike.engine.view_trials import Deadline, distance_to_own, small_copies, tells_turns, trained, trial_run
from lookalike.engine.views import view_of
from lookalike.evaluate.baselines import pixel_features
from lookalike.evaluate.health import effective_rank
from lookalike.evaluate.knn import vote
from lookalike.methods.simclr import Options

_GALLERY, _TEST = 1024, 2000
_NEAR, _VOTES = 10, 20
_PROBED = 1500
_EXAMS = ("simclr", "simclr-small", "simclr-light", "crop-flip", "digits")

Features = Callable[[Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("try", "report"))
    parser.add_argument("data", nargs="*", help="folders of labelled images")
    parser.add_argument("--results", type=Path, default=Path("runs/choose-views.jsonl"))
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--trial", type=int, default=STEPS, help="steps of a trial")
    parser.add_argument("--steps", type=int, default=300, help="steps of the training that judges")
    parser.add_argument("--images", type=int, default=4000, help="training images at the most")
    parser.add_argument("--keep", type=Path, help="a folder for the features of the trials")
    parser.add_argument("--cache", help="a folder for decoded images")
    args = parser.parse_args()
    if args.what == "report":
        report(args.results)
        return
    machine.prepare(1)
    for seed in map(int, args.seeds.split(",")):
        for data in args.data:
            study(data, seed, args)


def study(data: str, seed: int, args: argparse.Namespace) -> None:
    """All recipes on one data set, and what stands beside them."""
    whole = load(data, config=LoadConfig(cache=args.cache))
    images = sample(whole, args.images)
    options = api.configure(
        Config.asked("simclr", Options(data=data, seed=seed, threads=1), ()), images, images.training
    ).options
    limit = Deadline(1e9)
    backbones = partial(api.untrained_backbone, device="cpu")
    copies = small_copies(images, images.training, seed, [], limit)
    judge = Judge(images, copies.shape[1])
    work = Work(args.results, {"set": images.name, "seed": seed, "trial": args.trial, "steps": args.steps})
    exams = Exams(copies, seed)
    usual = options.augment
    names = recipes_for(images.coloured, usual, by_labels=False)

    def saved(of: str, features: Features) -> dict[str, Any]:
        taken = exams.take(features)
        if args.keep is not None:
            args.keep.mkdir(parents=True, exist_ok=True)
            torch.save(
                {k: v.half() for k, v in taken.items()}, args.keep / f"{images.name}-{seed}-{args.trial}-{of}.pt"
            )
        return measured(taken) | {"rotation": rotation(features, copies)}

    untrained = trial_run(names[0], 1, options, copies, backbones).backbone.with_recomputed_bn_stats(exams.gallery)
    work.once("pixels", "beside", lambda: saved("pixels", pixel_features) | {"knn": judge.knn(pixel_features)})
    work.once(
        "untrained",
        "beside",
        lambda: saved("untrained", untrained.features) | {"knn": judge.knn(untrained.features), "usual": usual},
    )
    for name in names:

        def trial(name: str = name) -> dict[str, Any]:
            begun = time.process_time()
            trainer = trained(name, args.trial, options, copies, backbones, limit)
            spent = time.process_time() - begun
            chance = trainer.method.chance_loss(trainer.options.batch_size)
            more = {"loss": trainer.loss / chance, "cpu_s": spent, "knn": judge.knn(trainer.backbone.features)}
            return saved(name, trainer.backbone.features) | more

        def judged(name: str = name) -> dict[str, Any]:
            trainer = trained(name, args.steps, options, copies, backbones, limit)
            return {"knn": judge.knn(trainer.backbone.features)}

        work.once(name, "trial", trial)
        work.once(name, "judged", judged)


class Work:
    """Results, a line of JSON each; what is there is not done again."""

    def __init__(self, path: Path, at: dict[str, Any]) -> None:
        self.path, self.at = path, at
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.done = {_key(json.loads(line)) for line in lines}

    def once(self, recipe: str, kind: str, work: Callable[[], dict[str, Any]]) -> None:
        entry = {**self.at, "recipe": recipe, "kind": kind}
        if _key(entry) in self.done:
            return
        begun = time.monotonic()
        result = work()
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({**entry, **result}) + "\n")
        shown = {key: value for key, value in result.items() if isinstance(value, float)}
        print(
            f"{entry['set']} {entry['seed']} {recipe} {kind}: "
            + ", ".join(f"{key} {value:.3f}" for key, value in shown.items())
            + f"; {time.monotonic() - begun:.0f} s",
            flush=True,
        )


def _key(entry: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(entry[name] for name in ("set", "seed", "trial", "steps", "recipe", "kind"))


def sample(images: Images, most: int) -> Images:
    """At most so many of the training images, and of the others where there is a split, in memory."""
    rows = images.training[rng.permutation(0, "study/sample", 0, len(images.training))[:most]]
    if images.split is not None:
        test = torch.tensor([row for row, part in enumerate(images.split) if part == "test"])
        rows = torch.cat([rows, test[:: max(1, len(test) // _TEST)]])
    return images.of_rows(rows)


class Judge:
    """kNN by labels: on the test images where there is a split, else of every image by all others."""

    def __init__(self, images: Images, side: int) -> None:
        assert images.labels is not None
        x = torch.cat([images.center_crops[part] for part in torch.arange(len(images)).split(512)])
        if side < x.shape[-1]:
            x = (
                F.interpolate(x.float(), size=(side, side), mode="bilinear", antialias=True)
                .round()
                .clamp(0, 255)
                .byte()
            )
        self.x_NCHW, self.labels = x, images.labels
        self.test = torch.ones(len(images), dtype=torch.bool)
        self.alone = images.split is None
        if images.split is not None:
            self.test = torch.tensor([part == "test" for part in images.split])

    def knn(self, features: Features) -> float:
        x_ND = F.normalize(features(self.x_NCHW).float(), dim=1)
        bank = torch.ones_like(self.test) if self.alone else ~self.test
        similarity = x_ND[self.test] @ x_ND[bank].T
        if self.alone:
            similarity.fill_diagonal_(-2.0)
        top = similarity.topk(_VOTES, 1)
        predicted = vote((top.values, top.indices), self.labels[bank])
        return float((predicted == self.labels[self.test]).double().mean())


class Exams:
    """Views of a gallery by every recipe, and features of all of it."""

    def __init__(self, copies: Images, seed: int) -> None:
        rows = copies.training
        chosen = rows[rng.permutation(seed, "look/gallery", 0, len(rows))[:_GALLERY]]
        self.gallery = copies.center_crops[chosen]
        self.views = {
            name: view_of(
                copies,
                build_augmentation(name, copies.shape[1], colour=copies.colour),
                chosen,
                seed=seed,
                epoch=-1,
                view=0,
            )
            for name in _EXAMS
        }

    def take(self, features: Features) -> dict[str, Tensor]:
        return {"gallery": features(self.gallery)} | {name: features(x) for name, x in self.views.items()}


def measured(taken: dict[str, Tensor]) -> dict[str, Any]:
    """Every exam's result."""
    image = taken["gallery"].float()
    centre = image.mean(0)
    image = F.normalize(image - centre, dim=1)
    own = image @ image.T
    own.fill_diagonal_(-2.0)
    near = own.topk(_NEAR, 1).indices
    far, retrieval, neighbours = {}, {}, {}
    for name in _EXAMS:
        far[name] = round(distance_to_own(taken["gallery"], taken[name]), 4)
        view = F.normalize(taken[name].float() - centre, dim=1)
        similarity = view @ image.T
        rank = (similarity >= similarity.diagonal()[:, None]).sum(1) - 1
        retrieval[name] = round(float((rank == 0).double().mean()), 4)
        similarity.fill_diagonal_(-2.0)
        same = (similarity.topk(_NEAR, 1).indices[:, :, None] == near[:, None, :]).any(2)
        neighbours[name] = round(float(same.double().mean()), 4)
    return {"far": far, "retrieval": retrieval, "neighbours": neighbours, "rank": effective_rank(taken["gallery"])}


def rotation(features: Features, copies: Images) -> float:
    """`tells_turns` of some images."""
    x_NCHW = copies.center_crops[slice(_PROBED)]
    return tells_turns(torch.stack([features(torch.rot90(x_NCHW, k, (2, 3)).contiguous()) for k in range(4)]))


Entries = dict[tuple[str, str], dict[str, Any]]
Criterion = Callable[[Entries, list[str], str], str]
_CLOSE = 0.03  # of kNN


def report(path: Path) -> None:
    """Print a table for each set and seed, and how often each way to choose comes within three points of the best."""
    groups: dict[tuple[str, int], Entries] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        groups.setdefault((entry["set"], entry["seed"]), {})[entry["recipe"], entry["kind"]] = entry
    lost: dict[str, dict[str, float]] = {name: {} for name in CRITERIA}
    for (of, seed), entries in groups.items():
        usual = entries["untrained", "beside"]["usual"]
        names = [recipe for recipe, kind in entries if kind == "judged" and (recipe != "digits" or usual == recipe)]
        knn = {name: entries[name, "judged"]["knn"] for name in names}
        choices = {title: choose(entries, names, usual) for title, choose in CRITERIA.items()}
        beside = ", ".join(f"{name} {entries[name, 'beside']['knn']:.3f}" for name in ("pixels", "untrained"))
        print(
            f"\n| {of}, seed {seed} ({beside}) | kNN | after the trial | nearer | first hits | rotation | rank | loss |"
        )
        print("|" + "---|" * 8)
        for name in names:
            trial = entries[name, "trial"]
            shown = f"**{name} (chosen)**" if name == choices["the choice"] else name
            print(
                f"| {shown} | {knn[name]:.3f} | {trial['knn']:.3f} | {100 * gain(entries, name):.0f} % | "
                f"{helped(entries, name):.1f} | {trial['rotation']:.3f} | {trial['rank']:.0f} | {trial['loss']:.2f} |"
            )
        for title, choice in choices.items():
            lost[title][f"{of} {seed}"] = max(knn.values()) - knn[choice]
    print(f"\n| chosen by | within {_CLOSE:.0%} of the best | points of kNN lost |\n|---|---|---|")
    for title, values in lost.items():
        close = sum(value <= _CLOSE for value in values.values())
        table = ", ".join(f"{of} {100 * value:.1f}" for of, value in values.items() if value > 0)
        print(f"| {title} | {close} of {len(values)} | {table} |")


def gain(entries: Entries, name: str, exam: str | None = None) -> float:
    """By how much training brought views nearer to their own images than pixels and the untrained network do."""
    before = min(entries[other, "beside"]["far"][exam or name] for other in ("pixels", "untrained"))
    return before - entries[name, "trial"]["far"][exam or name]


def helped(entries: Entries, name: str) -> float:
    """How many times as often a view finds its own image first, beside the better of those two."""
    before = max(entries[other, "beside"]["retrieval"][name] for other in ("pixels", "untrained"))
    return entries[name, "trial"]["retrieval"][name] / max(before, 1 / _GALLERY)


def by_the_choice(entries: Entries, names: list[str], usual: str) -> str:
    """As `engine/choose_views.py` does it."""
    turned = {name: entries[name, "trial"]["rotation"] for name in names}
    return most_worth({name: gain(entries, name) for name in names}, turned, usual)


def by_nearer(entries: Entries, names: list[str], usual: str) -> str:
    """The usual where it comes nearer by 8 % of the way, else the one that does most: tried first."""
    return usual if gain(entries, usual) >= 0.08 else max(names, key=lambda name: gain(entries, name))


def by_first_hits(entries: Entries, names: list[str], usual: str) -> str:
    """From strong to weak the first that helps 1.4 times, else the best: how it was done before."""
    for name in names:
        if helped(entries, name) >= 1.4:
            return name
    return max(names, key=lambda name: helped(entries, name))


def by_average_exam(entries: Entries, names: list[str], usual: str) -> str:
    """The most gained on average in the views of all that are compared."""
    return max(names, key=lambda name: sum(gain(entries, name, exam) for exam in names))


CRITERIA: dict[str, Criterion] = {
    "the choice": by_the_choice,
    "nearer alone": by_nearer,
    "first hits": by_first_hits,
    "an exam of the usual views": lambda entries, names, usual: max(names, key=lambda name: gain(entries, name, usual)),
    "an exam of all views, averaged": by_average_exam,
    "rotation": lambda entries, names, _: max(names, key=lambda name: entries[name, "trial"]["rotation"]),
    "effective rank": lambda entries, names, _: max(names, key=lambda name: entries[name, "trial"]["rank"]),
    "neighbours that stay": lambda entries, names, usual: max(
        names, key=lambda name: entries[name, "trial"]["neighbours"][usual]
    ),
    "always the usual": lambda entries, names, usual: usual,
    "always crop-flip": lambda entries, names, usual: "crop-flip",
}


if __name__ == "__main__":
    main()
