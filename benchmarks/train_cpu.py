"""The training step on a CPU: beside lightly's, and beside what the machine can do.

    python benchmarks/train_cpu.py --mnist mnist:DIR --cifar10 DIR --write
    python benchmarks/train_cpu.py --cifar10 DIR --parts cifar10 --minutes-cifar10 9

Three parts, kept in runs/benchmarks/train_cpu as each gets done, so that they may be run at different times and go on
where they stopped; `--parts` says which to measure now, and the table shows all that there are.

- `rates`: views a second of whole SimCLR steps (views, both passes, loss, optimiser), the default networks for MNIST
  and CIFAR-10 and one of width 64, views as large as the images for both, in turns with lightly's loop and with the
  machine's own arithmetic: a matrix product (2048^3) and a 3x3 convolution (64 to 64 channels, 16 px maps, forward, the
  better of both memory layouts). The share is FLOPs of the network per view, forward and backward, times views a
  second, over that convolution's rate, in the precision that training takes here.
- `mnist`, `cifar10`: the same network trained for the same minutes of wall clock by both, each by its recipe, from the
  start of the process and the files as they lie, no store of them yet; then our linear probe on the features of each.

lightly runs in an environment of its own, `lightly_simclr.py` is its loop.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

import common
from arithmetic import floors, seconds
from common import ENVIRONMENTS, Missing, Table, environment, here, in_turns, serve, spread, surroundings, worker
from lookalike import api
from lookalike.core import machine
from lookalike.core.files import read_json, write_json
from lookalike.core.progress import silence
from lookalike.data.base import Images
from lookalike.encoders.base import EncoderSpec, build_encoder
from lookalike.engine.feature_extractor import FeatureExtractor, load_feature_extractor, placed
from lookalike.engine.loop import Trainer
from lookalike.engine.presets import preset_values
from lookalike.evaluate.linear import linear_accuracy
from lookalike.methods.simclr import Options, SimCLR

KEPT = ENVIRONMENTS.parent / "train_cpu"
LIGHTLY = ["lightly==1.6.0", "torchvision==0.29.2"]  # without what they ask for: another build of torch, Lightning
NEEDED = ["torch", "numpy", "pillow", "tqdm", "lightning-utilities"]
AIM = 0.93  # of the minutes that our steps are planned to take: the first look and the last one come on top


@dataclasses.dataclass(frozen=True)
class Case:
    """What is trained; the rest is the recipe's."""

    channels: int
    side: int
    recipe: str
    width: int
    batch: int
    steps: int = 6
    """Timed together; a round."""
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.25,)
    """By which lightly's input is normalised; ours takes them from the images."""


CIFAR10 = {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2470, 0.2435, 0.2616)}
CASES = {
    "mnist": Case(1, 28, "mnist", 16, 512, mean=(0.1307,), std=(0.3081,)),
    "cifar10": Case(3, 32, "small-images", 32, 256, **CIFAR10),
    "cifar10, width 64": Case(3, 32, "small-images", 64, 256, 3),
}
TINY = {
    "mnist": Case(1, 16, "digits", 4, 32, 1),
    "cifar10": Case(3, 32, "small-images", 4, 16, 1),
    "cifar10, width 64": Case(3, 32, "small-images", 8, 16, 1),
}


def options_of(case: Case, **more: Any) -> Options:
    """The recipe's options for SimCLR; the precision is the one that this machine trains in."""
    values = preset_values(case.recipe, "simclr") | {"width": case.width, "batch_size": case.batch} | more
    fields = {f.name for f in dataclasses.fields(Options)}
    options = Options(**{key: value for key, value in values.items() if key in fields})
    return dataclasses.replace(options, precision=machine.resolve_precision("auto", "cpu"))


# What the workers do


def our_steps(case: Case, **more: Any) -> Callable[[], None]:
    """A function that makes `case.steps` steps of the engine, on random images: speed does not depend on them.

    `more` are options in place of the recipe's.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (case.batch * case.steps, case.channels, case.side, case.side)
    images = Images(
        torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator), tuple(map(str, range(shape[0])))
    )
    options = options_of(case, epochs=10**6, **more)
    backbone = api.untrained_backbone(options, images, "cpu")
    learner = placed(SimCLR(backbone.encoder, options, len(images)), "cpu").train()
    trainer = Trainer(learner, backbone, options, images, images.training)
    trainer.plan = learner.plan(0, trainer.data)

    def steps() -> None:
        for k in range(case.steps):
            trainer._step(0, k)

    return steps


def train_ours(case: Case, asked: dict[str, Any]) -> dict[str, Any]:
    """Train until about `deadline` (of time.time()), or for `steps`, into the run folder `out`; how much that was."""
    begun = time.time()
    options = options_of(case, data=asked["data"], out=asked["out"], cache=asked["cache"], snapshots=False)
    images = images_of(asked["data"], asked["cache"])
    total = asked["steps"]
    if total is None:
        steps = our_steps(dataclasses.replace(case, steps=2))
        # the first steps wait for memory; the fastest of the others would promise more than minutes of them keep
        each = float(np.median(seconds(steps, 12)[4:])) / 2
        total = max(2, int((AIM * (asked["deadline"] - begun) - (time.time() - begun)) / each))
    batches = len(images.training) // case.batch
    epochs = -(-total // batches)
    options = dataclasses.replace(options, max_steps=total, epochs=epochs, check_every=epochs)
    with silence():
        api.train("simclr", options, images=images)
    return {"steps": total, "epochs": total / batches}


def images_of(data: str, cache: Path | str) -> Images:
    """The data set, its store in that folder."""
    return api.load_images(data, None, False, api.loading(Options(data=data, cache=str(cache))))


def work_of(asked: dict[str, Any]) -> None:
    """What a process of this file is asked for."""
    machine.prepare(None)
    case = Case(**asked["case"]) if "case" in asked else None
    if asked["task"] == "floors":
        serve(floors(asked["tiny"]))
    elif asked["task"] == "rate":
        assert case is not None
        serve(our_steps(case, view_scale=1.0))
    else:
        assert case is not None
        print(json.dumps(train_ours(case, asked)))


# What is measured


def command(asked: dict[str, Any]) -> list[str]:
    return here("train_cpu.py", "--worker", json.dumps(asked))


def peer(case: Case, data: str, python: Path, **asked: Any) -> list[str]:
    """lightly's loop on the training images of `data`; MNIST from one file, as data sets of digits lie in memory."""
    source = data
    if not Path(data).is_dir():
        images = images_of(data, KEPT / "cache")
        source = str(KEPT / "digits.npy")
        np.save(source, images.center_crops[images.training][:, 0].numpy())
    elif (Path(data) / "train").is_dir():
        source = str(Path(data) / "train")
    recipe = preset_values(case.recipe, "simclr")
    told = {**dataclasses.asdict(case), **asked, "source": source, "head": recipe["head_width"]}
    return here("lightly_simclr.py", json.dumps(told), python=python)


def flops_per_view(case: Case) -> float:
    """Of encoder and head, forward and backward; direct convolution, 2 a multiply-add."""
    spec = EncoderSpec("convnet", case.channels, case.side, case.width)
    learner = SimCLR(build_encoder(spec, 0), options_of(case), 4)
    with FlopCounterMode(display=False) as counter:
        learner.embed(torch.zeros(4, case.channels, case.side, case.side)).sum().backward()
    return counter.get_total_flops() / 4


def measure_rates(cases: dict[str, Case], data: dict[str, str], rounds: int, tiny: bool) -> dict[str, Any]:
    """GFLOP/s of the machine and views a second of each, by rounds in turns; what a peer lacks in its place."""
    workers: dict[str, common.Worker | common.Together] = {}
    found: dict[str, Any] = {"missing": None}
    try:
        workers["floors"] = worker(command({"task": "floors", "tiny": tiny}), together=tiny)
        for name, case in cases.items():
            asked = {"task": "rate", "case": dataclasses.asdict(case)}
            workers[f"ours {name}"] = worker(command(asked), together=tiny)
        try:
            python = lightly(tiny)
            for name, source in data.items():
                workers[f"lightly {name}"] = worker(peer(cases[name], source, python, task="rate"))
        except Missing as missing:
            found["missing"] = str(missing)
        answers = in_turns(workers, rounds, 0.0 if tiny else 1.0)
    finally:
        for each in workers.values():
            each.close()
    for answer in answers.pop("floors"):
        for key in answer.keys() - {"seconds", "cpu"}:
            found.setdefault(key, []).append(answer[key])
    for name, rows in answers.items():
        case = cases[name.split(" ", 1)[1]]
        found[name] = [2 * case.batch * case.steps / row["seconds"] for row in rows]
    return found | {"flops": {name: flops_per_view(case) for name, case in cases.items()}}


def lightly(tiny: bool) -> Path:
    if tiny:
        raise Missing("lightly is not installed for --tiny")
    return environment("lightly", NEEDED, LIGHTLY)


def measure_accuracy(name: str, case: Case, data: str, given: argparse.Namespace, folder: Path) -> None:
    """Train both for the same minutes, ours first, then probe both; what was done before is left as it is."""
    minutes, file = getattr(given, f"minutes_{name}"), folder / f"{name}.json"
    found = read_json(file) if file.exists() and not given.again else {}
    if found.get("minutes") != minutes:
        found = {"minutes": minutes, "missing": None}
    weights = {"ours": folder / f"{name}-ours.safetensors", "lightly": folder / f"{name}-lightly.pt"}
    for steps in planned(found.get("ours"), 60 * minutes):
        with TemporaryDirectory(dir=folder) as scratch:
            out = Path(scratch) / "run"
            asked = {"task": "train", "case": dataclasses.asdict(case), "data": data, "out": str(out), "steps": steps}
            asked |= {"cache": str(Path(scratch) / "cache"), "deadline": time.time() + 60 * minutes}
            found["ours"] = run_timed(command(asked))
            shutil.copy(out / "encoder.safetensors", weights["ours"])
        write_json(file, found)
    if "lightly" not in found:
        try:
            python, told = lightly(given.tiny), {"task": "train", "out": str(weights["lightly"])}
            found["lightly"] = run_timed(peer(case, data, python, **told, deadline=time.time() + 60 * minutes))
        except Missing as missing:
            found["missing"] = str(missing)
        write_json(file, found)
    for who in () if given.train_only else weights.keys() & found.keys():
        if "linear" not in found[who]:
            backbone = (
                load_feature_extractor(weights[who], "cpu") if who == "ours" else peer_backbone(case, weights[who])
            )
            found[who]["linear"] = probe(backbone, data)
            write_json(file, found)


def planned(before: dict[str, Any] | None, limit: float) -> list[int | None]:
    """Steps of the trainings that are due: one as the process measures, or one more where the last missed its time."""
    if before is None:
        return [None]
    share = before["seconds"] / limit
    return [] if 0.9 <= share <= 1.01 else [int(0.98 * before["steps"] / share)]


def peer_backbone(case: Case, weights: Path) -> FeatureExtractor:
    """The network that lightly trained, as ours takes features of one."""
    spec = EncoderSpec("convnet", case.channels, case.side, case.width)
    encoder = build_encoder(spec, 0)
    encoder.load_state_dict(torch.load(weights))
    return FeatureExtractor(placed(encoder, "cpu"), spec, case.mean, case.std)


def run_timed(words: list[str]) -> dict[str, Any]:
    """What a process says in its last line, and its seconds.

    Raises:
        Missing: it failed.
    """
    begun = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=surroundings())
    if done.returncode:
        raise Missing((done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1])
    return {**json.loads(done.stdout.splitlines()[-1]), "seconds": time.perf_counter() - begun}


def probe(backbone: FeatureExtractor, data: str) -> float:
    """Linear accuracy on the test images of `data`."""
    images = images_of(data, KEPT / "cache")
    assert images.evaluation is not None and images.labels is not None
    bank, test = images.evaluation
    h_ND, labels_N = backbone.features(images.center_crops), images.labels
    return linear_accuracy(h_ND[bank], labels_N[bank], h_ND[test], labels_N[test])[0]


# What is told


def table_of(folder: Path, cases: dict[str, Case]) -> Table:
    """All parts that there are."""
    table = Table("train_cpu", ("", "ours", "lightly 1.6.0", "ours beside it", "of the convolution's rate"))
    parts = {
        name: read_json(folder / f"{name}.json")
        for name in ("rates", "mnist", "cifar10")
        if (folder / f"{name}.json").exists()
    }
    table.data = parts
    precision = machine.resolve_precision("auto", "cpu")
    if "rates" in parts:
        rates = parts["rates"]
        floor = float(np.median(rates[f"convolution {precision}"]))
        for name in cases:
            ours, theirs = rates[f"ours {name}"], rates.get(f"lightly {name}")
            reached = float(np.median(ours)) * rates["flops"][name] / 1e9
            table.row(
                f"{name}, views/s",
                spread(ours),
                spread(theirs) if theirs else rates["missing"] or "",
                f"{np.median(ours) / np.median(theirs):.1f}x" if theirs else "",
                f"{reached / floor:.0%} ({reached:.0f} GFLOP/s)",
            )
    for name in ("mnist", "cifar10"):
        if "linear" in parts.get(name, {}).get("ours", {}):
            found = parts[name]
            ours, theirs = found["ours"], found.get("lightly", {})
            theirs = theirs if "linear" in theirs else None
            table.row(
                f"{name}, linear accuracy after {found['minutes']:g} minutes",
                trained_words(ours),
                trained_words(theirs) if theirs else found["missing"] or "not yet",
                f"{100 * (ours['linear'] - theirs['linear']):+.1f} points" if theirs else "",
            )
    if "rates" in parts:
        table.note(
            "The machine's own, GFLOP/s: " + "; ".join(floor_words(parts["rates"])) + f". Trained in {precision}."
        )
    return table


def floor_words(rates: dict[str, Any]) -> Iterator[str]:
    names = {"product": "product 2048^3", "convolution": "3x3 convolution"}
    for key, values in rates.items():
        kind, _, precision = key.partition(" ")
        if kind in names:
            yield f"{names[kind]} in {precision} {spread(values)}"


def trained_words(found: dict[str, Any]) -> str:
    return f"{found['linear']:.3f} ({found['epochs']:.1f} epochs, {found['seconds']:.0f} s)"


def main(words: list[str] | None = None) -> None:
    """Measure the parts that are asked for, and show all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", metavar="DATA", help="mnist:DIR; without it lightly's digits are left out")
    parser.add_argument("--cifar10", metavar="DATA", help="folder with train/ and test/ of JPEG files by class")
    parser.add_argument("--parts", default="rates,mnist,cifar10", help="which to measure now")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes-mnist", type=float, default=4)
    parser.add_argument("--minutes-cifar10", type=float, default=9)
    parser.add_argument("--again", action="store_true", help="train anew what was trained before")
    parser.add_argument(
        "--train-only", action="store_true", help="leave the probes to a later start; they need no quiet"
    )
    parser.add_argument(
        "--tiny",
        action="store_true",
        help="seconds, steps in one process, random images, the bundled digits, no peer",
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    if given.worker:
        work_of(json.loads(given.worker))
        return
    cases = TINY if given.tiny else CASES
    data = {name: source for name in ("mnist", "cifar10") if (source := getattr(given, name))}
    if given.tiny:
        data, given.minutes_mnist, given.rounds = {"mnist": "digits"}, 0.05, 1
    wanted = [part for part in given.parts.split(",") if part]
    strange = [part for part in wanted if part not in ("rates", "mnist", "cifar10")]
    if strange:
        parser.error(f"--parts: no part {', '.join(strange)}; there are rates, mnist, cifar10")
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) if given.tiny else KEPT
        folder.mkdir(parents=True, exist_ok=True)
        if "rates" in wanted:
            write_json(folder / "rates.json", measure_rates(cases, data, given.rounds, given.tiny))
        for name in ("mnist", "cifar10"):
            if name in wanted and name in data:
                measure_accuracy(name, cases[name], data[name], given, folder)
        table = table_of(folder, cases)
    print(f"kept in {table.save(given.write)}", file=sys.stderr)


if __name__ == "__main__":
    main()
