"""What the page shows of a training, kept while it runs: features of a fixed subset at each look, and thumbnails.

Everything here is a function of the images, the seed and the weights of that moment, so that a run that was
killed leaves the same files as one that was not: frames after the step it goes on from are dropped and written
again. No label is looked at. docs/page.md says what is in which file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lookalike.augment.base import Augmentation
from lookalike.augment.sheet import as_rgb
from lookalike.core import rng
from lookalike.core.errors import LookalikeError
from lookalike.core.files import machine_faults, read_json, write_atomically, write_json
from lookalike.core.full_disk import unless_full
from lookalike.core.made_here import mark
from lookalike.core.progress import phase, tell
from lookalike.core.record_types import Record
from lookalike.data.base import Images
from lookalike.engine.evaluator import FeatureCache
from lookalike.engine.extent import USUAL
from lookalike.engine.views import sheet_of
from lookalike.evaluate.baselines import pixel_features

FORMAT = 1
SUBSET = USUAL.followed  # images whose features are kept at each look
THUMBNAILS = 20_000
SIDE = 32  # pixels of a thumbnail; a whole number of JPEG's blocks, so that no neighbour bleeds into it
_COLUMNS, _LINES = 64, 64  # of a sheet: 2,048 pixels a side at most, which every browser draws
_QUALITY = 85
_HASHES = "hashes.npy"
_BLOCK = 1024  # images scaled together
_SHEET_ROWS, _SHEET_VIEWS, _SHEET_SIDE = 6, 5, 720  # of the picture of views; pixels at most


class NoSnapshots:
    """In place of `Snapshots` in a process that writes none, or where none are wanted."""

    rows = torch.empty(0, dtype=torch.int64)
    """Images whose features are kept."""

    say: Callable[[str], None] = staticmethod(tell)
    """Is told where there is no space for them."""

    def begin(self, step: int) -> None: ...

    def show_views(self, augmentation: Augmentation) -> None: ...

    def untrained(self, cache: FeatureCache) -> None: ...

    def take(
        self, cache: FeatureCache, epoch: int, step: int, clusters_N: Tensor | None = None, early: bool = False
    ) -> None: ...


class Snapshots(NoSnapshots):
    """Writes the folder `snapshots` of a run."""

    def __init__(
        self, folder: Path, images: Images, augmentation: Augmentation | None, seed: int, followed: int = USUAL.followed
    ) -> None:
        """`augmentation` makes the views of which a sheet is shown; None where it is not chosen yet (`show_views`)."""
        self.folder, self.images, self.augmentation, self.seed = folder, images, augmentation, seed
        # one order for both, so that every image of the subset has a thumbnail; by content, not by name
        order = images.center_crops.content_order[rng.permutation(seed, "snapshots", 0, len(images))]
        self.rows = order[: min(SUBSET, followed)].sort().values
        self.thumbnail_rows = order[:THUMBNAILS].sort().values
        self.frames: list[Record] = []

    def begin(self, step: int) -> None:
        """Called before the first step, or where a run goes on: frames after `step` are dropped.

        What depends on the images alone is written where an earlier start has not done it.
        """
        with unless_full(self.say, "what the page shows of the images is not kept"):
            self._begin(step)

    def _begin(self, step: int) -> None:
        self.frames = [frame for frame in self._written() if frame["step"] <= step and "early" not in frame]
        if not step:  # a network before its first step is looked at anew, and pixels stay what they were
            self.frames = [frame for frame in self.frames if frame["kind"] == "pixels" and self._images_are_there()]
        names = {frame[key] for frame in self.frames for key in ("file", "clusters") if key in frame}
        with machine_faults("clear", self.folder):
            for path in self.folder.glob("*.npy"):
                if path.name not in {*names, _HASHES}:
                    path.unlink()
        if not self.frames:
            self._write_images()
        else:
            self._write_index()
        if self.augmentation is not None and (not step or not self._views.exists()):
            self._write_views(self.augmentation)

    def show_views(self, augmentation: Augmentation) -> None:
        """Write the sheet of views, once their augmentation is known."""
        self.augmentation = augmentation
        with unless_full(self.say, "the page shows no views"):
            self._write_views(augmentation)

    def untrained(self, cache: FeatureCache) -> None:
        """Keep the features of a network before its first step."""
        self._frame("untrained", 0, 0, cache(self.rows))

    def take(
        self, cache: FeatureCache, epoch: int, step: int, clusters_N: Tensor | None = None, early: bool = False
    ) -> None:
        """Keep the features of a network after `epoch` epochs and `step` steps.

        Args:
            cache: the features of the network.
            epoch: epochs done.
            step: steps done; 0 for the weights that the training starts from, or the run consists of.
            clusters_N: int64, the cluster that each training image was trained to be in, where there are clusters.
            early: the training ends here before its last step; should it go on, this frame is dropped.
        """
        marked = {"early": True} if early else {}
        self._frame("network", epoch, step, cache(self.rows), clusters_N, **marked)

    def _written(self) -> list[Record]:
        """The frames in the folder; none where it holds none, or those of another subset."""
        path = self.folder / "index.json"
        try:
            index = read_json(path) if path.exists() else {}
            if index.get("format") != FORMAT or index["rows"] != self.rows.tolist():
                return []
            return [frame for frame in index["frames"] if (self.folder / frame["file"]).exists()]
        except (LookalikeError, KeyError, AttributeError, TypeError):  # a damaged index is written anew
            return []

    def _frame(
        self,
        kind: str,
        epoch: int,
        step: int,
        features_ND: Tensor,
        clusters_N: Tensor | None = None,
        **marked: bool,
    ) -> None:
        with unless_full(self.say, f"no snapshot is kept of epoch {epoch}"):
            self._write_frame(kind, epoch, step, features_ND, clusters_N, **marked)

    def _write_frame(
        self, kind: str, epoch: int, step: int, features_ND: Tensor, clusters_N: Tensor | None, **marked: bool
    ) -> None:
        name = "pixels" if kind == "pixels" else f"{step:06d}"
        name = "initial" if kind == "network" and not step else name  # beside the untrained one's
        frame: Record = {"file": f"{name}.npy", "kind": kind, "epoch": epoch, "step": step, **marked}
        largest = torch.finfo(torch.float16).max
        self._save(frame["file"], features_ND.clamp(-largest, largest).to(torch.float16).numpy())
        if clusters_N is not None:
            frame["clusters"] = f"{name}-clusters.npy"
            every = torch.full((len(self.images),), -1, dtype=torch.int32)  # -1: not trained on
            every[self.images.training] = clusters_N.cpu().to(torch.int32)
            self._save(frame["clusters"], every[self.rows].numpy())
        self.frames.append(frame)
        self._write_index()  # last: what the index names is there

    def _save(self, name: str, array: np.ndarray) -> None:
        write_atomically(self.folder / name, lambda file: np.save(file, array))

    def _write_index(self) -> None:
        index = {"format": FORMAT, "rows": self.rows.tolist(), "side": SIDE, "frames": self.frames}
        write_json(self.folder / "index.json", index, indent=None)

    @property
    def _views(self) -> Path:
        return self.folder / "views.png"

    def _images_are_there(self) -> bool:
        """Whether what `_write_images` wrote before it wrote the index is still there."""
        try:
            table = read_json(self.folder / "thumbs.json")
            names = [_HASHES, *(sheet["file"] for sheet in table["sheets"])]
            return table["rows"] == self.thumbnail_rows.tolist() and all(
                (self.folder / name).exists() for name in names
            )
        except (LookalikeError, KeyError, TypeError):
            return False

    def _write_images(self) -> None:
        """What depends on the images alone: thumbnails, hashes, pixels as features. The frame comes last."""
        center_crops, mapped = self.images.center_crops, torch.isin(self.thumbnail_rows, self.rows)
        sheets, hashes, features = [], [], []
        with phase("keeping thumbnails of the images", len(self.thumbnail_rows)) as p:
            for i, first in enumerate(range(0, len(self.thumbnail_rows), _COLUMNS * _LINES)):
                sheet = slice(first, first + _COLUMNS * _LINES)
                parts = []
                for part in self.thumbnail_rows[sheet].split(_BLOCK):
                    parts.append(center_crops[part])  # once for all three, as scaling photos is most of the work
                    p.step(len(part))
                block = torch.cat(parts)
                name = self._write_sheet(i, block)
                sheets.append({"file": name, "first": first, "count": len(block)})
                hashes.append(pixel_hashes(block))
                if mapped[sheet].any():
                    features.append(pixel_features(block[mapped[sheet]]))
        table = {"side": SIDE, "columns": _COLUMNS, "rows": self.thumbnail_rows.tolist(), "sheets": sheets}
        write_json(self.folder / "thumbs.json", table, indent=None)
        self._save(_HASHES, np.concatenate(hashes))
        self._frame("pixels", 0, 0, torch.cat(features))

    def _write_sheet(self, number: int, block_NCHW: Tensor) -> str:
        sheet, name = sprite_sheet(block_NCHW), f"thumbs-{number}.jpg"
        write_atomically(self.folder / name, partial(sheet.save, format="JPEG", quality=_QUALITY, **mark("JPEG")))
        return name

    def _write_views(self, augmentation: Augmentation) -> None:
        views = sheet_of(self.images, augmentation, _SHEET_ROWS, _SHEET_VIEWS, self.seed)
        views.thumbnail((_SHEET_SIDE, _SHEET_SIDE))
        write_atomically(self._views, lambda file: views.save(file, "PNG", **mark("PNG")))


def snapshots(
    wanted: bool,
    folder: Path,
    images: Images,
    augmentation: Augmentation | None,
    seed: int,
    followed: int = USUAL.followed,
) -> NoSnapshots:
    """What a process keeps of its training: `Snapshots` where they are wanted of it.

    `augmentation` is None where the views are not chosen yet: `begin` then writes all but their sheet, and
    `show_views`, or `begin` of snapshots with an augmentation, writes that.
    """
    return Snapshots(folder, images, augmentation, seed, followed) if wanted else NoSnapshots()


def sprite_sheet(pixels_NCHW: Tensor) -> Image.Image:
    """Thumbnails of SIDE pixels in rows of 64; grey where there is one channel, else in colour (`as_rgb`).

    Args:
        pixels_NCHW: uint8, square images.
    """
    n, channels, height, _ = pixels_NCHW.shape
    mode = "RGB" if channels > 1 else "L"
    images = as_rgb(pixels_NCHW) if channels > 1 else pixels_NCHW
    # a whole factor keeps the pixels of tiny images what they are; all else is interpolated
    resampling = Image.Resampling.NEAREST if SIDE % height == 0 else Image.Resampling.LANCZOS
    sheet = Image.new(mode, (min(n, _COLUMNS) * SIDE, -(-n // _COLUMNS) * SIDE))
    for i, image in enumerate(images):
        array = image.permute(1, 2, 0).numpy() if channels > 1 else image[0].numpy()
        tile = Image.fromarray(np.ascontiguousarray(array))
        if height != SIDE:
            tile = tile.resize((SIDE, SIDE), resampling)
        sheet.paste(tile, (i % _COLUMNS * SIDE, i // _COLUMNS * SIDE))
    return sheet


def pixel_hashes(pixels_NCHW: Tensor) -> np.ndarray:
    """A hash of each image's pixels (uint8 -> uint64 [N]): equal images have equal ones."""
    flat = pixels_NCHW.contiguous().flatten(1).numpy()
    hashes = [int.from_bytes(hashlib.blake2b(row.data, digest_size=8).digest(), "little") for row in flat]
    return np.array(hashes, dtype="<u8")
