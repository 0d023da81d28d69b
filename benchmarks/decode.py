"""Decoding photos and scaling them: this project in threads, simplejpeg alone, and a DataLoader of Pillow.

    python benchmarks/decode.py DIR [--side 128] [--rounds 3] [--most 1000]

All bring the JPEG files below DIR to a longer side of --side pixels at most, but for simplejpeg, which only decodes:
whole, and at the smallest of JPEG's own scales that is not below what is asked for. Files are in the system's cache.
The peers take turns, in a changing order; photos per second are medians over rounds. The DataLoader has two workers
that open, convert and resize with Pillow, which is what torchvision's Resize does with an image of Pillow's.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset

from lookalike.core.machine import cores
from lookalike.data.decode import decode, fitted, open_image

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
    with ThreadPoolExecutor(cores()) as pool:
        for pixels in pool.map(lambda file: decode(open_image(file), side, 3), files):
            assert max(pixels.shape[:2]) <= side


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder of JPEG files")
    parser.add_argument("--side", type=int, default=128, help="pixels of the longer side")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=1000, help="files at the most")
    args = parser.parse_args()
    files = sorted(path for path in args.data.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    files = files[:: max(1, len(files) // args.most)]
    sizes = [Image.open(file).size for file in files if file.read_bytes()]
    pixels = statistics.median(width * height for width, height in sizes) / 1e6
    runners: dict[str, Callable[[], None]] = {
        "ours: decode and scale": lambda: ours(files, args.side),
        f"DataLoader of Pillow, {WORKERS} workers: decode and scale": lambda: loader(files, args.side),
    }
    missing = ""
    try:
        import simplejpeg  # noqa: F401

        runners["simplejpeg: decode whole"] = lambda: simplejpeg_alone(files, args.side, False)
        runners["simplejpeg: decode at a smaller scale"] = lambda: simplejpeg_alone(files, args.side, True)
    except ImportError:
        missing = "| simplejpeg | not installed | | |"
    print(f"{len(files):,} photos of {pixels:.2f} megapixels (median) to {args.side} px; {cores()} cores\n")
    times: dict[str, list[float]] = {name: [] for name in runners}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for turn in range(args.rounds + 1):
            for name in list(runners)[:: 1 if turn % 2 else -1]:
                begun = time.perf_counter()
                runners[name]()
                if turn:  # the first round warms up
                    times[name].append(time.perf_counter() - begun)
    print("| who | photos/s (median) | best | ours is as fast, times |\n|---|---|---|---|")
    mine = statistics.median(next(iter(times.values())))
    for name, taken in times.items():
        middle = statistics.median(taken)
        print(f"| {name} | {len(files) / middle:,.0f} | {len(files) / min(taken):,.0f} | {middle / mine:.2f} |")
    if missing:
        print(missing)


if __name__ == "__main__":
    main()
