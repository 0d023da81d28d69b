"""Views per second of whole training steps, at the network and batch of the first prototype.

    python benchmarks/train_throughput.py

The prototype (a plain 150-line loop) trained a network of four stages, 0.3 million parameters at width 16
on 28 px grey images, 1.2 million at width 32 on 32 px colour images, batch 512, and made 6,200 and 1,260
views a second on 2 cores of this kind. Here the same is timed three ways in one process, round after round:

- ours: `convnet` in the whole training step of the engine (views, network, loss, optimiser);
- plain: the same parameter count as a plain network with a 3x3 stem at full resolution, an ordinary
  PyTorch loop with the same views, without the memory settings: what one writes first;
- floor: the machine's own matrix product in bfloat16 (2048^3), as GFLOP/s, beside what ours reaches.

Images are random: speed does not depend on what they show. Prints medians and the ratio.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lookalike.api import untrained_backbone
from lookalike.augment.recipes import build_recipe
from lookalike.core import machine
from lookalike.core.files import write_json
from lookalike.data.base import Images
from lookalike.encoders.resnet import Basic
from lookalike.engine.backbone import placed
from lookalike.engine.journal import Journal
from lookalike.engine.loop import Trainer
from lookalike.engine.resolve import recipe_table
from lookalike.engine.run_folder import RunFolder
from lookalike.methods.simclr import Learner, Options
from lookalike.objectives.nt_xent import nt_xent

CASES = {  # name: channels, side, width, augmentation, recipe, views per second of the prototype
    "mnist": (1, 28, 16, "digits", "mnist", 6200),
    "cifar10": (3, 32, 32, "simclr-small", "small-images", 1260),
}
BATCH = 512
STEPS = 8  # timed together; a round


class PlainNet(nn.Module):
    """Four stages of a basic block behind a 3x3 stem at full resolution, strides of 2 from the first."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.stages = nn.Sequential(*(Basic(a, b, 2, "batch") for a, b in itertools.pairwise(widths)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.stages(F.relu(self.stem(x))).mean((2, 3))


def ours(case: str, folder: Path) -> Callable[[], None]:
    """A function that makes STEPS steps of the engine."""
    channels, side, width, augment, recipe, _ = CASES[case]
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (BATCH * STEPS, channels, side, side), dtype=torch.uint8, generator=generator)
    images = Images(pixels, tuple(map(str, range(len(pixels)))))
    options = Options(width=width, augment=augment, batch_size=BATCH, precision="bf16", epochs=10**6, lr=0.25)
    options.head_width = recipe_table()[recipe]["head_width"]
    backbone = untrained_backbone(options, images, "cpu")
    learner = placed(Learner(backbone.encoder, options, len(pixels)), "cpu")
    run = RunFolder(folder)
    trainer = Trainer(learner, backbone, options, images, images.training, run)
    trainer.journal = Journal(run.metrics, 0)
    trainer.plan = learner.plan(0, trainer.data)

    def steps() -> None:
        for k in range(STEPS):
            trainer._step(0, k)

    return steps


def plain(case: str) -> Callable[[], None]:
    """A function that makes STEPS steps of an ordinary loop."""
    channels, side, width, augment, *_ = CASES[case]
    network = PlainNet(channels, width)
    head = nn.Sequential(nn.Linear(8 * width, 8 * width), nn.ReLU(), nn.Linear(8 * width, 128))
    both = nn.Sequential(network, head).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(both.parameters(), lr=0.1, momentum=0.9)
    recipe = build_recipe(augment, side)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (BATCH, channels, side, side), dtype=torch.uint8, generator=generator)
    ids, rows = torch.arange(BATCH).repeat(2), torch.arange(BATCH)

    def steps() -> None:
        for k in range(STEPS):
            views = [recipe(pixels, seed=0, epoch=k, index_B=rows, view=v) for v in (0, 1)]
            x = torch.cat(views).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                z = both(x)
            optimizer.zero_grad()
            nt_xent(z, ids).backward()
            optimizer.step()

    return steps


def matmul_rate() -> float:
    """GFLOP/s of a 2048^3 product in bfloat16."""
    a = torch.randn(2048, 2048).bfloat16()
    a @ a
    begun = time.perf_counter()
    for _ in range(5):
        a @ a
    return 5 * 2 * 2048**3 / (time.perf_counter() - begun) / 1e9


def flops_per_view(case: str) -> float:
    """Forward and backward of convnet, direct convolution, 2 FLOP per multiply-add."""
    channels, side, width, *_ = CASES[case]
    images = Images(torch.zeros(2, channels, side, side, dtype=torch.uint8), ("a", "b"))
    encoder = untrained_backbone(Options(width=width), images, "cpu").encoder
    with FlopCounterMode(display=False) as counter:
        encoder(torch.zeros(2, channels, side, side)).sum().backward()
    return counter.get_total_flops() / 2


def time_part(part: str, case: str, rounds: int) -> list[float]:
    """Views per second of each round; the first round warms up and is left out."""
    if part == "ours":
        machine.prepare(None)
    else:
        torch.set_num_threads(machine.cores())
    with TemporaryDirectory() as folder:
        steps = ours(case, Path(folder)) if part == "ours" else plain(case)
        seconds = []
        for _ in range(rounds + 1):
            begun = time.perf_counter()
            steps()
            seconds.append(time.perf_counter() - begun)
    return [2 * BATCH * STEPS / s for s in seconds[1:]]


def main() -> None:
    """Time each part in a process of its own, since memory settings are a process's; in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--part", choices=("ours", "plain"))
    parser.add_argument("--case", choices=tuple(CASES))
    parser.add_argument("--out", default="runs/train_throughput.json")
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(time_part(arguments.part, arguments.case, arguments.rounds)))
        return
    floor = matmul_rate()
    print(f"matrix product 2048^3 in bfloat16: {floor:.0f} GFLOP/s")
    result = {"matmul_gflops": floor, "machine": machine.description(), "versions": machine.versions()}
    for case, (*_, prototype) in CASES.items():
        rates: dict[str, list[float]] = {"ours": [], "plain": []}
        for _ in range(arguments.turns):
            for part, found in rates.items():
                command = [sys.executable, __file__, "--part", part, "--case", case, "--rounds", str(arguments.rounds)]
                found += json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        median = {part: statistics.median(found) for part, found in rates.items()}
        gflops = median["ours"] * flops_per_view(case) / 1e9
        print(
            f"{case}: ours {median['ours']:,.0f} views/s ({min(rates['ours']):,.0f}..{max(rates['ours']):,.0f}), "
            f"plain {median['plain']:,.0f} ({median['ours'] / median['plain']:.2f}x), prototype {prototype:,} "
            f"({median['ours'] / prototype:.2f}x), {gflops:.0f} GFLOP/s = {gflops / floor:.0%} of the product's rate"
        )
        result[case] = {"views_per_s": rates, "median": median, "prototype": prototype, "gflops": gflops}
    write_json(Path(arguments.out), result)


if __name__ == "__main__":
    main()
