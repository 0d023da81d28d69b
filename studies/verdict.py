"""Is the verdict right? Short runs that differ, and what the verdict says beside what labels say.

    python studies/verdict.py train runs/verdict mnist=mnist:DIR cifar=DIR groceries=DIR emoji=DIR [NAME=DIR ...]
    python studies/verdict.py judge runs/verdict

`train` makes the runs one after the other, each in a folder of its own, and goes on where it stopped; results are lines
of OUT/runs.jsonl, features of a sample are kept in OUT/features/. The rules of `evaluate/judging.py` were chosen on the
runs of some sets and are judged on those of others, and `judge` says how they do on either. Labels are in the last
columns only: no rule looks at them. kNN is by the 20 nearest of up to 1,000 images, of as many others; what is better
or worse than a baseline is so by two standard errors of the difference, image by image.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lookalike import api
from lookalike.augment.recipes import build_augmentation
from lookalike.core import machine, registry, rng
from lookalike.core.errors import LookalikeError
from lookalike.core.metrics import read_metrics
from lookalike.core.progress import silence
from lookalike.data.base import Images
from lookalike.engine.evaluator import COMPARED
from lookalike.engine.feature_extractor import load_feature_extractor
from lookalike.engine.run_folder import RunFolder
from lookalike.engine.views import augmentation_of, view_of
from lookalike.evaluate.baselines import BASELINES
from lookalike.evaluate.health import without_copy
from lookalike.evaluate.judging import Evidence, verdict
from lookalike.evaluate.knn import knn_predict
from lookalike.evaluate.neighbours import other_neighbours, shared_neighbours
from lookalike.runs.looks import LookRecord
from verdict_sets import DRAWN, copies, few, named_set

SAMPLE = 600  # images whose features are kept, and of a view and of a mild view of each
LR = 0.35  # before scaling with the batch
EPOCHS = {"simclr": 20, "deepcluster": 16, "deepcluster-v2": 12}
CLUSTERS = {"deepcluster": 60, "deepcluster-v2": 100}

REGIMES: dict[str, dict[str, Any]] = {
    "plain": {},
    "long": {"epochs": 60},
    "short": {"epochs": 1},
    "shorter": {"epochs": 4},
    "slow": {"lr": LR / 2000},
    "fast": {"lr": LR * 12, "warmup": 0.0},
    "faster": {"lr": LR * 60, "warmup": 0.0},
    "tiny crops": {"crop_min": 0.02},
    "crop-flip": {"augment": "crop-flip"},
    "crop-flip, large": {"augment": "crop-flip", "crop_min": 0.8},
    "simclr": {"augment": "simclr"},
    "light": {"augment": "simclr-light"},
    "digits": {"augment": "digits"},
    "hot": {"temperature": 10.0},
    "cold": {"temperature": 0.01},
    "two clusters": {"n_clusters": 2},
    "many clusters": {"n_clusters": 600},
    "copies": {"distinct": 40},
    "few": {"count": 48},
}

Made = dict[str, dict[str, str]]
"""Method -> regime -> sets."""

CHOSEN: Made = {
    "simclr": {
        "plain": "digits mnist cifar groceries emoji stripes arrows shapes cells",
        "long": "cifar groceries shapes cells mnist digits emoji arrows",
        "short": "digits cifar stripes shapes",
        "shorter": "mnist groceries cells",
        "slow": "digits cifar arrows",
        "fast": "digits groceries shapes cells",
        "faster": "mnist cifar stripes emoji",
        "tiny crops": "digits cifar emoji arrows",
        "crop-flip": "arrows mnist cifar groceries shapes",
        "crop-flip, large": "digits cifar cells",
        "simclr": "stripes cells emoji",
        "light": "stripes groceries cells",
        "digits": "arrows shapes",
        "hot": "mnist shapes",
        "cold": "digits stripes",
        "copies": "mnist groceries shapes",
        "few": "digits cifar emoji",
    },
    "deepcluster": {
        "plain": "digits mnist cifar groceries emoji stripes arrows shapes cells",
        "long": "cifar groceries shapes cells mnist emoji",
        "short": "mnist cifar shapes",
        "slow": "digits groceries",
        "fast": "mnist stripes emoji",
        "faster": "digits shapes cells",
        "tiny crops": "mnist stripes",
        "crop-flip": "cifar arrows",
        "two clusters": "digits cells",
        "many clusters": "cifar arrows",
        "copies": "digits cells",
    },
    "deepcluster-v2": {
        "plain": "digits mnist cifar stripes shapes cells",
        "long": "cifar groceries cells mnist",
        "short": "digits groceries",
        "slow": "mnist shapes",
        "fast": "digits cifar cells",
        "tiny crops": "arrows groceries",
        "simclr": "stripes",
    },
}
"""The runs that rules were chosen on."""

JUDGED: Made = {
    "simclr": {
        "plain": "fashion clipart things letters signs fruit animals flags materials solar stones",
        "long": "fashion clipart things letters signs fruit flags solar stones",
        "short": "fashion fruit solar",
        "slow": "clipart stones",
        "fast": "fashion animals",
        "faster": "flags things",
        "tiny crops": "letters solar",
        "crop-flip": "fashion letters fruit clipart",
        "light": "stones fruit animals",
        "hot": "signs",
        "copies": "things",
        "few": "clipart solar",
    },
    "deepcluster": {
        "plain": "fashion clipart letters fruit flags solar stones",
        "long": "fashion things stones",
        "crop-flip": "solar",
    },
    "deepcluster-v2": {
        "plain": "fashion clipart signs flags solar stones",
        "long": "fashion things fruit",
    },
}
"""The runs that they are judged on, of other sets."""


@dataclass(frozen=True)
class Case:
    """One run."""

    data: str
    method: str
    regime: str

    @property
    def name(self) -> str:
        """Of its folder."""
        return "-".join((self.data, self.method, self.regime.replace(", ", "-").replace(" ", "-")))

    @property
    def half(self) -> str:
        """`chosen` or `judged`: whether the rules were chosen on its set, or had not seen it."""
        judged = {name for regimes in JUDGED.values() for sets in regimes.values() for name in sets.split()}
        return "judged" if self.data in judged else "chosen"


def cases() -> Iterator[Case]:
    """All of them: the long ones first, then those that differ most."""
    rounds = [
        [Case(data, method, regime) for data in sets.split()]
        for made in (CHOSEN, JUDGED)
        for method, regimes in made.items()
        for regime, sets in regimes.items()
    ]
    mixed = [found[turn] for turn in range(max(map(len, rounds))) for found in rounds if turn < len(found)]
    yield from sorted(mixed, key=lambda case: case.regime != "long")


def options_of(case: Case, out: Path, seed: int = 0, tiny: bool = False) -> tuple[Any, set[str], dict[str, int]]:
    """Options of a run, those said on purpose, and how the images are changed."""
    said: dict[str, Any] = {"epochs": EPOCHS[case.method], "batch_size": 128, "width": 12, "lr": LR}
    if case.method in CLUSTERS:
        said["n_clusters"] = CLUSTERS[case.method]
    said |= REGIMES[case.regime]
    changes = {key: said.pop(key) for key in ("distinct", "count") if key in said}
    if "count" in changes:
        said["batch_size"] = 16
    if tiny:
        said |= {"epochs": min(2, said["epochs"]), "width": 4}
    said["check_every"] = max(1, said["epochs"] // 4)
    said |= {"precision": "float32", "seed": seed}
    kind = registry.find("methods", case.method, "method").Options
    return kind(out=str(out), threads=1, report=False, snapshots=True, **said), set(said), changes


def made(case: Case, images: Images, out: Path, tiny: bool = False) -> dict[str, Any]:
    """Train one run, and put on record all that is known of it; its features go to OUT/features/NAME.npz."""
    begun, folder = time.process_time(), out / "runs" / case.name
    options, said, changes = options_of(case, folder, tiny=tiny)
    lesson = images
    if "distinct" in changes:
        lesson = copies(images, changes["distinct"])
    if "count" in changes:
        lesson = few(images, changes["count"])
    record: dict[str, Any] = {"name": case.name, "data": case.data, "method": case.method, "regime": case.regime}
    record |= {"images": len(lesson.training), "side": images.shape[1]}
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with silence():
            run = api.train(case.method, options, said, images=lesson, command="study")
    except LookalikeError as error:  # a loss that is not finite, say: the run says so itself
        return {**record, "failed": str(error), "seconds": round(time.process_time() - begun, 1)}
    options = api.options_of(run)[1]
    record["options"] = {key: getattr(options, key) for key in sorted(said) if key != "seed"} | {
        "augment": options.augment
    }
    record |= {kind: _events(run, kind) for kind in ("look", "epoch", "clustering")}
    record |= _measured(run, options, images, lesson, out / "features" / f"{case.name}.npz")
    return {**record, "seconds": round(time.process_time() - begun, 1)}


def _events(run: RunFolder, kind: str) -> list[dict[str, Any]]:
    return [event for event in read_metrics(run.metrics) if event["event"] == kind and not event.get("head")]


def _measured(run: RunFolder, options: Any, images: Images, lesson: Images, file: Path) -> dict[str, Any]:
    """kNN of all features by labels; features of a sample of the lesson, and of views, go to the file."""
    networks = {
        "untrained": api.with_recomputed_bn_stats(api.untrained_backbone(options, lesson, "cpu"), lesson),
        "network": load_feature_extractor(run.encoder, "cpu"),
    }
    of = {**BASELINES, **{name: network.features for name, network in networks.items()}}
    rows = lesson.training[rng.permutation(0, "study/gallery", 0, len(lesson.training))[:SAMPLE]]
    recipes = {"view": augmentation_of(options, lesson), "mild": build_augmentation("crop", lesson.shape[1], 0.7)}
    views = {name: view_of(lesson, recipe, rows, seed=1, epoch=-1, view=0) for name, recipe in recipes.items()}
    assert images.labels is not None and images.evaluation is not None
    bank, asked = images.evaluation
    kept: dict[str, np.ndarray] = {"rows": rows.numpy()}
    right: dict[str, Tensor] = {}
    for name, features in of.items():
        kept[name] = features(lesson.center_crops.take(rows)).half().numpy()
        kept |= {f"{name}.{view}": features(x).half().numpy() for view, x in views.items()}
        x_ND, q_QD = features(images.center_crops.take(bank)), features(images.center_crops.take(asked))
        right[name] = knn_predict(x_ND, images.labels[bank], q_QD) == images.labels[asked]
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, **kept)
    beside = {name: (right["network"].double() - found.double()) for name, found in right.items()}
    return {
        "knn": {name: float(found.double().mean()) for name, found in right.items()},
        "difference": {name: float(d.mean()) for name, d in beside.items()},
        "error": {name: float(d.std()) / len(d) ** 0.5 for name, d in beside.items()},
        "asked": len(asked),
    }


def read(out: Path) -> list[dict[str, Any]]:
    """What `train` has put on record."""
    file = out / "runs.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def train(out: Path, places: dict[str, str], only: str = "", tiny: bool = False, half: str | None = None) -> None:
    """Make the runs that are not there: of all, or of those of a half, or whose names hold a word."""
    out.mkdir(parents=True, exist_ok=True)
    done = {record["name"] for record in read(out)}
    sets: dict[str, Images] = {}
    for case in cases():
        if half is not None and case.half != half:
            continue
        if case.name in done or only not in case.name or not (case.data in places or case.data in DRAWN):
            continue
        if case.data not in sets:
            sets[case.data] = named_set(case.data, places.get(case.data), 200 if tiny else 1000)
        record = made(case, sets[case.data], out, tiny)
        with open(out / "runs.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        knn = {name: round(value, 3) for name, value in record.get("knn", {}).items()}
        said = record.get("failed") or knn
        print(f"{case.name}: {record['seconds']} s, {said}", flush=True)


FAILING = ("collapsed", "not learning")
TOLD = ("below", "level", "above")


def told(record: dict[str, Any]) -> str:
    """What labels say of a run's kNN beside the better of the untrained network and pixels."""
    best = max(("untrained", "pixels"), key=record["knn"].__getitem__)
    ratio = record["difference"][best] / max(record["error"][best], 1e-9)
    return "below" if ratio < -2 else "above" if ratio > 2 else "level"


def said(record: dict[str, Any], out: Path) -> str:
    """What the verdict, by the rules as they are now, says of a run at its last look."""
    looks = [LookRecord.from_json(event) for event in record["look"]]
    earlier = [look for look in looks if look.kind == "network"][:-1]
    kept = np.load(out / "features" / f"{record['name']}.npz")
    near = {
        name: other_neighbours(torch.from_numpy(kept[name][:COMPARED])) for name in ("pixels", "untrained", "network")
    }
    shared = [shared_neighbours(near["pixels"], near[name]) or 0.0 for name in ("network", "untrained")]
    found = dataclasses.replace(
        Evidence.of_looks({look.kind: look for look in looks}, earlier, record["epoch"]),
        targets_change=record["method"].startswith("deepcluster"),
        like_pixels=(shared[0], shared[1]),
        distinct=without_copy(torch.from_numpy(kept["pixels"])),
        images=record["images"],
        crop_min=record["options"].get("crop_min"),
    )
    return verdict(found)


def _case(record: dict[str, Any]) -> Case:
    return Case(record["data"], record["method"], record["regime"])


def judge(out: Path) -> None:
    """Print what the verdict says beside what labels say, and the runs where it errs."""
    for half in ("chosen", "judged"):
        of_half = [record for record in read(out) if _case(record).half == half]
        records = [record for record in of_half if "failed" not in record]
        found = [(said(record, out).split(":")[0], told(record), record) for record in records]
        print(f"\n{half}: {len(found)} runs\n\n| verdict | " + " | ".join(f"kNN {word}" for word in TOLD) + " |")
        print("|---|" + "---:|" * len(TOLD))
        for word in sorted({word for word, _, _ in found}):
            counts = [sum((a, b) == (word, told) for a, b, _ in found) for told in TOLD]
            print(f"| {word} | " + " | ".join(map(str, counts)) + " |")
        for name, words, wrong in (("healthy", ("healthy",), "below"), ("failing", FAILING, "above")):
            called = [(told, record) for word, told, record in found if word in words]
            missed = [record["name"] for told, record in called if told == wrong]
            print(f"\ncalled {name}: {len(called)}, of which {len(missed)} {wrong}: {', '.join(missed) or 'none'}")
        failed = [record["name"] for record in of_half if "failed" in record]
        print(f"\nended by themselves, with an error: {', '.join(failed) or 'none'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=("train", "judge"))
    parser.add_argument("out", type=Path)
    parser.add_argument("data", nargs="*", help="NAME=DATA of sets that are not drawn")
    parser.add_argument("--half", choices=("chosen", "judged"), help="the runs of one half")
    parser.add_argument("--only", default="", help="runs whose names hold this")
    parser.add_argument("--tiny", action="store_true", help="two epochs on 200 images, for a test")
    args = parser.parse_args()
    machine.prepare(1)
    torch.set_num_threads(1)
    if args.job == "train":
        places = dict(word.split("=", 1) for word in args.data)
        places.setdefault("digits", "digits")
        train(args.out, places, args.only, args.tiny, args.half)
    else:
        judge(args.out)


if __name__ == "__main__":
    main()
