"""Random views: ours beside torchvision's and kornia's, from bytes to float tensors.

    python benchmarks/augment.py [--rounds 5] [--threads 2] [--tiny] [--write]

The same work for all: uint8 images (in memory; for torchvision as PIL images) become float32 views in [0, 1].
torchvision's transforms run as its users run them, one image after another in a DataLoader of two workers, two views an
image. kornia's and those of torchvision.transforms.v2 are also measured on batches of tensors. They then draw less
than the others: v2 one set of parameters a batch, kornia one order of the colour operations.

Two floors are timed beside them: to read the bytes and write the floats once, which a single fused loop could at best
come near, and the two matrix products of the crop alone, which ours cannot do without. Rounds are taken in turns.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import common
from common import Missing, Table, environment, here, in_turns, serve, spread

BATCH = 512
WORKERS = 2  # of the DataLoader
TORCH = ["torch", "numpy", "pillow"]
PEERS = {  # what is installed for whom, and what of it without what it asks for
    "torchvision": (TORCH, ["torchvision==0.29.2"]),
    "kornia": ([*TORCH, "kornia==0.9.0"], []),
}


class Case(NamedTuple):
    """What is done to which images."""

    recipe: str
    """Of lookalike, or one of its operations."""
    channels: int
    side: int

    def __str__(self) -> str:
        return f"{self.recipe}, {self.side} px{', grey' if self.channels == 1 else ''}"


CASES = [
    *(Case(name, 3, 32) for name in ("crop", "flip", "jitter", "grey", "simclr-small")),
    *(Case(name, 3, 64) for name in ("blur", "simclr-small", "simclr")),
    Case("digits", 1, 28),
]


def strength(recipe: str) -> float:
    """Of the colour jitter: that of the ImageNet recipe is 1."""
    return 1.0 if recipe == "simclr" else 0.5


def parts(recipe: str) -> list[str]:
    """Operations of a recipe, in order."""
    small = ["crop", "flip", "jitter", "grey"]
    return {"simclr-small": small, "simclr": [*small, "blur"], "digits": ["turn", "crop", "light"]}.get(
        recipe, [recipe]
    )


# Who is measured. Each is a function of a case and a number of images that gives a function that makes some views and
# returns how many; they are imported where they run, as each process has one of them.


def ours(case: Case, images: int) -> Callable[[], int]:
    import torch

    from lookalike.augment.base import Augmentation
    from lookalike.augment.recipes import augmentation_names, build_augmentation

    if case.recipe in augmentation_names() and case.recipe != "crop":
        recipe = build_augmentation(case.recipe, case.side)
    else:
        whole = build_augmentation("simclr" if case.recipe == "blur" else "simclr-small", case.side).operations
        recipe = Augmentation([whole[["crop", "flip", "jitter", "grey", "blur"].index(case.recipe)]])
    pixels = random_bytes(case, images)
    epochs = iter(range(10**9))

    def work() -> int:
        epoch = next(epochs)
        for view in range(2):
            for index in torch.arange(images).split(BATCH):
                recipe(pixels.index_select(0, index), seed=0, epoch=epoch, index_B=index, view=view)
        return 2 * images

    return work


def floor_copy(case: Case, images: int) -> Callable[[], int]:
    import torch

    pixels, batch = random_bytes(case, images), min(BATCH, images)
    out = torch.empty(batch, case.channels, case.side, case.side)

    def work() -> int:
        for start in range(0, images - batch + 1, batch):
            torch.mul(pixels[start : start + batch], 1 / 255, out=out)
        return images // batch * batch

    return work


def floor_products(case: Case, images: int) -> Callable[[], int]:
    import torch

    side, n = case.side, min(64, images)  # images: their matrices stay in the cache
    x = torch.rand(n, case.channels * side, side)
    columns, rows = torch.rand(n, side, side), torch.rand(n * case.channels, side, side)
    between, out = torch.empty_like(x), torch.empty(n * case.channels, side, side)

    def work() -> int:
        for _ in range(max(1, images // n)):
            torch.bmm(x, columns.transpose(1, 2), out=between)
            torch.bmm(rows, between.view(out.shape), out=out)
        return max(1, images // n) * n

    return work


def torchvision_parts(case: Case, transforms: Any) -> list[Any]:
    """The operations as torchvision's users write them; v1 and v2 have the same names."""
    s, side = strength(case.recipe), case.side
    taps = 2 * ((side // 10) // 2) + 1
    make = {
        "crop": lambda: transforms.RandomResizedCrop(side, (0.5 if case.recipe == "digits" else 0.08, 1.0)),
        "flip": lambda: transforms.RandomHorizontalFlip(),
        "jitter": lambda: transforms.RandomApply([transforms.ColorJitter(0.8 * s, 0.8 * s, 0.8 * s, 0.2 * s)], p=0.8),
        "light": lambda: transforms.RandomApply([transforms.ColorJitter(0.8, 0.8)], p=0.8),
        "grey": lambda: transforms.RandomGrayscale(0.2),
        "blur": lambda: transforms.RandomApply([transforms.GaussianBlur(taps, (0.1, 2.0))], p=0.5),
        "turn": lambda: transforms.RandomRotation(10, transforms.InterpolationMode.BILINEAR),
    }
    return [make[name]() for name in parts(case.recipe)]


def torchvision_loader(case: Case, images: int) -> Callable[[], int]:
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    from lookalike.core.optional import need_vision

    transforms = need_vision("torchvision.transforms", "this row")
    transform = transforms.Compose([*torchvision_parts(case, transforms), transforms.ToTensor()])
    arrays = random_bytes(case, images).permute(0, 2, 3, 1).squeeze(-1).numpy()

    class TwoViews(Dataset):
        pictures = [Image.fromarray(array) for array in arrays]

        def __len__(self) -> int:
            return len(self.pictures)

        def __getitem__(self, i: int) -> list[Any]:
            return [transform(self.pictures[i]) for _ in range(2)]

    loader = DataLoader(TwoViews(), min(256, images), num_workers=WORKERS, persistent_workers=True)

    def work() -> int:
        return sum(len(views) for pair in loader for views in pair)

    return work


def torchvision_batch(case: Case, images: int) -> Callable[[], int]:
    import torch

    from lookalike.core.optional import need_vision

    v2 = need_vision("torchvision.transforms.v2", "this row")
    transform = v2.Compose([*torchvision_parts(case, v2), v2.ToDtype(torch.float32, scale=True)])
    return batched(transform, random_bytes(case, images))


def kornia_batch(case: Case, images: int) -> Callable[[], int]:
    import kornia.augmentation as K
    import torch

    s, side = strength(case.recipe), case.side
    taps = 2 * ((side // 10) // 2) + 1
    make = {
        "crop": lambda: K.RandomResizedCrop((side, side), (0.5 if case.recipe == "digits" else 0.08, 1.0)),
        "flip": lambda: K.RandomHorizontalFlip(),
        "jitter": lambda: K.ColorJitter(0.8 * s, 0.8 * s, 0.8 * s, 0.2 * s, p=0.8),
        "light": lambda: K.ColorJitter(0.8, 0.8, p=0.8),
        "grey": lambda: K.RandomGrayscale(p=0.2),
        "blur": lambda: K.RandomGaussianBlur((taps, taps), (0.1, 2.0), p=0.5),
        "turn": lambda: K.RandomRotation(10.0, p=1.0),
    }
    transform = torch.nn.Sequential(*(make[name]() for name in parts(case.recipe)))
    return batched(lambda x: transform(x.float() / 255), random_bytes(case, images))


def batched(transform: Callable[[Any], Any], pixels: Any) -> Callable[[], int]:
    """Views of all images, a batch at a time."""
    import torch

    @torch.no_grad()
    def work() -> int:
        for part in pixels.split(BATCH):
            transform(part)
        return len(pixels)

    return work


WHO: dict[str, tuple[str, Callable[[Case, int], Callable[[], int]]]] = {  # name: environment, what it does
    "ours": ("", ours),
    f"torchvision, PIL in {WORKERS} workers": ("torchvision", torchvision_loader),
    "torchvision v2, a batch": ("torchvision", torchvision_batch),
    "kornia, a batch": ("kornia", kornia_batch),
    "floor: a pass over the pixels": ("", floor_copy),
    "floor: the crop's products": ("", floor_products),
}


def random_bytes(case: Case, images: int) -> Any:
    import torch

    shape = (images, case.channels, case.side, case.side)
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def worker(who: str, threads: int, seconds: float, images: int) -> None:
    """Serve rounds: views per second of every case, each done for about `seconds`."""
    import torch

    warnings.simplefilter("ignore")
    if WHO[who][0] == "":
        from lookalike.core.machine import prepare

        prepare(threads)
    torch.set_num_threads(threads)
    works = {}
    for case in CASES:
        if who == "floor: the crop's products" and "crop" not in parts(case.recipe):
            continue
        works[str(case)] = WHO[who][1](case, images)

    def work() -> dict[str, float]:
        found = {}
        for name, once in works.items():
            begun, views = time.perf_counter(), 0
            while not views or time.perf_counter() - begun < seconds:
                views += once()
            found[name] = views / (time.perf_counter() - begun)
        return found

    serve(work)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.3, help="of a case in a round, at the least")
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--tiny", action="store_true", help="some images, in one process, without peers")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    parser.add_argument("--worker", metavar="WHO", help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    if args.tiny:
        args.rounds, args.seconds, args.images = 2, 0.0, 64
    if args.worker:
        worker(args.worker, args.threads, args.seconds, args.images)
        return
    table = Table("augment", ["views per second", "who", "median (range)", "ours is as fast, times"])
    workers: dict[str, common.Worker | common.Together] = {}
    given = [f"--threads={args.threads}", f"--seconds={args.seconds}", f"--images={args.images}"]
    missing = {}
    try:
        for who, (peer, _) in WHO.items():
            if peer and args.tiny:
                continue
            try:
                python = environment(peer, *PEERS[peer]) if peer else sys.executable
                command = here("augment.py", "--worker", who, *given, python=python)
                workers[who] = common.worker(command, together=args.tiny)
            except Missing as reason:
                missing[who] = str(reason)
        answers = in_turns(workers, args.rounds, pause=0.0 if args.tiny else 0.5)
    finally:
        for each in workers.values():
            each.close()
    table.data = answers
    for case in map(str, CASES):
        rates = {who: [answer[case] for answer in found] for who, found in answers.items() if case in found[0]}
        for who, found in rates.items():
            times = statistics.median(rates["ours"]) / statistics.median(found)
            table.row(case, who, spread(found), "" if who == "ours" else f"{times:.2f}")
    for who, reason in missing.items():
        table.row("all", who, reason)
    table.note(
        f"{args.rounds} rounds in turns, batches of {BATCH}, {args.threads} threads; from uint8 to float32. "
        "v2 draws one set of parameters a batch and kornia one order of the colour operations; the others draw for "
        "every view."
    )
    print(table.save(args.write))


if __name__ == "__main__":
    main()
