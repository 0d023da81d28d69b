"""Decoding photos and scaling them: this project in threads, simplejpeg alone, and a DataLoader of Pillow.

    python benchmarks/decode.py DIR [--side 128] [--rounds 5] [--most 1000] [--tiny] [--write]

All bring the JPEG files below DIR to a longer side of --side pixels at most, but for simplejpeg, which only decodes:
whole, and at the smallest of JPEG's own scales that is not below what is asked for. Files are in the system's cache.
Everybody is a process of its own and has all cores; rounds take turns. The DataLoader has two workers that open,
convert and resize with Pillow, which is what torchvision's Resize does with an image of Pillow's. "Without simplejpeg"
is this project where that extra is not installed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset

from common import Missing, Table, Together, Worker, here, in_turns, serve, spread, worker
from lookalike.core.machine import cores
from lookalike.core.process import keep_freed_memory
from lookalike.core.thread_map import thread_map
from lookalike.data import jpeg
from lookalike.data.decode import decode_all, fitted, open_image

WORKERS = 2  # of the DataLoader


class Photos(Dataset):
    """What one writes first."""

    def __init__(self, files: list[Path], side: int) -> None:
        self.files, self.side = files, side

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> torch.Tensor:
        with Image.open(self.files[i]) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
        small = upright.resize(fitted(*upright.size, self.side), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(small)).permute(2, 0, 1)


def ours(files: list[Path], side: int) -> None:
    keep_freed_memory()  # as every command does
    for pixels in thread_map(lambda part: decode_all(map(open_image, part), side, 3), files, cores()):
        assert isinstance(pixels, np.ndarray) and max(pixels.shape[:2]) <= side


def without(files: list[Path], side: int) -> None:
    with mock.patch.object(jpeg, "simplejpeg", None):
        ours(files, side)


def loader(files: list[Path], side: int) -> None:
    for _ in DataLoader(Photos(files, side), batch_size=64, num_workers=WORKERS, collate_fn=list):
        pass


def simplejpeg_alone(files: list[Path], side: int, scaled: bool) -> None:
    import simplejpeg

    def one(file: Path) -> None:
        data = file.read_bytes()
        if not scaled:
            simplejpeg.decode_jpeg(data)
            return
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
        small = fitted(width, height, side)
        simplejpeg.decode_jpeg(data, min_width=small[0], min_height=small[1], min_factor=1)

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(one, files))


PARTS: dict[str, tuple[str, Callable[[list[Path], int], None]]] = {
    "ours": ("ours: decode and scale", ours),
    "without": ("ours without simplejpeg: decode and scale", without),
    "loader": (f"DataLoader of Pillow, {WORKERS} workers: decode and scale", loader),
    "whole": ("simplejpeg alone: decode whole", lambda files, side: simplejpeg_alone(files, side, False)),
    "smaller": ("simplejpeg alone: decode at a smaller scale", lambda files, side: simplejpeg_alone(files, side, True)),
}


def found(place: Path, most: int) -> list[Path]:
    """At most so many JPEG files below a folder, evenly spread."""
    files = sorted(path for path in place.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if not files:
        raise SystemExit(f"no JPEG files below {place}")
    return files[:: -(-len(files) // most)]


def photos(place: Path, count: int = 24) -> None:
    """Files of smooth noise, for --tiny."""
    rng = np.random.default_rng(0)
    for k in range(count):
        small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        small.resize((320, 240), Image.Resampling.BICUBIC).save(place / f"{k}.jpg", quality=90)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="a folder of JPEG files")
    parser.add_argument("--side", type=int, default=128, help="pixels of the longer side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=int, default=1000, help="files at the most")
    parser.add_argument("--tiny", action="store_true", help="small pictures, one round, one process: does it run?")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    if args.part:
        warnings.simplefilter("ignore")
        files = found(args.data, args.most)
        serve(lambda: PARTS[args.part][1](files, args.side))
        return
    if args.tiny:
        with tempfile.TemporaryDirectory() as place:
            photos(Path(place))
            compare(Path(place), args.side, args.most, 1, together=True).save()
    elif args.data is None:
        parser.error("a folder of JPEG files is needed, or --tiny")
    else:
        compare(args.data, args.side, args.most, args.rounds).save(args.write)


def area(file: Path) -> int:
    """Pixels of one photo."""
    with Image.open(file) as image:
        return image.width * image.height


def compare(place: Path, side: int, most: int, rounds: int, together: bool = False) -> Table:
    """All parts in turns."""
    files = found(place, most)
    pixels = statistics.median(map(area, files)) / 1e6
    table = Table("decode", ("who", "photos/s", "CPU ms a photo", "ours is as fast, times"))
    workers: dict[str, Worker | Together] = {}
    for part in PARTS:
        settings = ("--part", part, str(place), "--side", str(side), "--most", str(most))
        try:
            workers[part] = worker(here("decode.py", *settings), together)
        except Missing as missing:
            table.note(f"{PARTS[part][0]}: {missing}")
    answers = in_turns(workers, rounds)
    for each in workers.values():
        each.close()
    taken = {part: [len(files) / answer["seconds"] for answer in found] for part, found in answers.items()}
    for part, rates in taken.items():
        used = statistics.median(answer["cpu"] for answer in answers[part]) / len(files) * 1e3
        ratio = statistics.median(taken["ours"]) / statistics.median(rates)
        # those of a DataLoader are used by its workers
        table.row(PARTS[part][0], spread(rates), "" if part == "loader" else f"{used:.2f}", f"{ratio:.2f}")
    table.data = {"files": len(files), "answers": answers}
    table.note(
        f"{len(files):,} photos of {pixels:.2f} megapixels (median) to {side} px; median (lowest..highest) of rounds."
    )
    return table


if __name__ == "__main__":
    main()
