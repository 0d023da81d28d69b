"""The snapshots of a run: the nearest images of each image, and the map, at every moment."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypedDict

import numpy as np
from threadpoolctl import threadpool_limits

from lookalike.core.errors import LookalikeError
from lookalike.core.files import write_atomically
from lookalike.evaluate.map import NEIGHBOURS, aligned_maps, fingerprint
from lookalike.neighbors.numpy_backend import nearest_rows
from lookalike.report.images import evenly
from lookalike.report.packing import Packed, packed
from lookalike.report.time_limit import NO_LIMIT, TimeLimit
from lookalike.runs.reader import Frame, RunReader

SHOWN = 20  # nearest images of an image: the paper's figures 3 and 4 show as many
_MAPPED = 5_000  # images of a map of a run that kept no snapshots


class MapData(TypedDict):
    """`map` of docs/page.md."""

    rows: Packed
    frames: list[Packed]


@dataclass(frozen=True)
class Timeline:
    """Frames of the images that are on the page."""

    run: RunReader
    rows: np.ndarray
    """int64: image numbers of the run."""
    places: np.ndarray
    """int64: image numbers of the page."""
    frames: Sequence[Frame]

    @cached_property
    def near(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each frame the nearest images: positions in `rows`, and cosines."""
        return [nearest_rows(frame.features_ND, NEIGHBOURS) for frame in self.frames]

    def snapshots(self) -> list[dict[str, object]]:
        """`snapshots` of docs/page.md."""
        return [{"kind": f.kind, "epoch": f.epoch, "step": f.step, "name": f.name} for f in self.frames]

    def neighbours(self, label: np.ndarray) -> dict[str, object] | None:
        """`neighbours` of docs/page.md; `label` int64, of the images of the page, -1 for none."""
        if not self.frames or len(self.rows) < 2:
            return None
        label_N = label[self.places]
        k = min(SHOWN, len(self.rows) - 1)
        rows_of_frames = [rows_NK[:, :k] for rows_NK, _ in self.near]
        rates = [same_label_rate(label_N, rows_NK) for rows_NK in rows_of_frames]
        return {
            "rows": packed(self.places, "uint32"),
            "k": k,
            "frames": [packed(self.places[rows_NK], "uint32") for rows_NK in rows_of_frames],
            "rate": None if None in rates else rates,
            "chance": same_label_chance(label_N),
        }

    def map(self, threads: int, limit: TimeLimit = NO_LIMIT) -> MapData | None:
        """`map` of docs/page.md; kept in the run folder, so that a second page is quick."""
        if not self.frames or not len(self.rows):
            return None
        maps = self.kept_map()
        if maps is None:
            near = self.near
            with nullcontext() if limit.end is None else threadpool_limits(threads):
                maps = aligned_maps(
                    [frame.features_ND for frame in self.frames],
                    first=self.first,
                    neighbours=near,
                    seed=self.seed,
                    threads=threads,
                    stop=None if limit.end is None else limit.is_past,
                )
            if not limit.is_past():  # else it may not be settled
                _write_map(self._map_file, self._map_key, maps)
        return {"rows": packed(self.places, "uint32"), "frames": [packed(frame, "float32") for frame in maps]}

    def kept_map(self) -> np.ndarray | None:
        """The map of these features, where an earlier page has left it in the run folder."""
        return _read_map(self._map_file, self._map_key)

    @property
    def seed(self) -> int:
        """Of the map."""
        return int(self.run.config.get("seed", 0))

    @property
    def first(self) -> int:
        """The frame that is laid out first: the first one of a network."""
        return next((i for i, frame in enumerate(self.frames) if frame.kind != "pixels"), 0)

    @property
    def _map_file(self) -> Path:
        return self.run.path / "snapshots" / "map.npz"

    @cached_property
    def _map_key(self) -> str:
        return fingerprint([frame.features_ND for frame in self.frames], self.first, self.seed)


def timeline(run: RunReader, page_rows: np.ndarray) -> Timeline:
    """The frames of a run for the images of a page; without snapshots, one frame of its embeddings."""
    if run.frames:
        on_page = np.isin(run.subset, page_rows)
        rows = run.subset[on_page]
        frames = [
            Frame(
                f.kind, f.epoch, f.step, f.features_ND[on_page], None if f.clusters_N is None else f.clusters_N[on_page]
            )
            for f in run.frames
        ]
    elif run.embeddings is not None:
        rows = evenly(page_rows, _MAPPED)
        last = (run.events_of("epoch") or [{}])[-1]
        features = np.asarray(run.embeddings[rows])
        frames = [Frame("network", int(last.get("epoch", 0)), int(last.get("step", 0)), features)]
    else:
        rows, frames = page_rows[:0], []
    return Timeline(run, rows, np.searchsorted(page_rows, rows), frames)


def same_label_rate(label_N: np.ndarray, rows_NK: np.ndarray) -> float | None:
    """The share in [0, 1] of the nearest images that have the image's label; images without one do not count."""
    near = label_N[rows_NK]
    counted = (label_N[:, None] >= 0) & (near >= 0)
    return float((near == label_N[:, None])[counted].mean()) if counted.any() and len(np.unique(label_N)) > 1 else None


def same_label_chance(label_N: np.ndarray) -> float | None:
    """The same of images drawn at random; None where there are no two labels."""
    counts = np.unique(label_N[label_N >= 0], return_counts=True)[1].astype(float)
    total = counts.sum()
    return float((counts * (counts - 1)).sum() / (total * (total - 1))) if len(counts) > 1 else None


def _read_map(path: Path, key: str) -> np.ndarray | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            return file["maps"] if str(file["key"]) == key else None
    except (OSError, ValueError, EOFError, KeyError):  # absent, damaged, of something else: computed again
        return None


def _write_map(path: Path, key: str, maps: np.ndarray) -> None:
    if not path.parent.is_dir():
        return
    data = io.BytesIO()
    np.savez(data, key=np.array(key), maps=maps)
    try:
        write_atomically(path, lambda file: file.write(data.getvalue()))
    except LookalikeError:  # a folder that may be read only: the page is written all the same
        return
