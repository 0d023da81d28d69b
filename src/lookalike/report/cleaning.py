"""What a collection may be cleaned of: images that are there twice, or nearly so, and images unlike all others."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from PIL import Image

from lookalike.core.words import counted
from lookalike.neighbors.numpy_backend import nearest_rows
from lookalike.report.images import Thumbnails, evenly
from lookalike.report.time_limit import NO_LIMIT, TimeLimit
from lookalike.report.timeline import Timeline
from lookalike.runs.reader import RunReader

_LOOKED_AT = 10  # nearest images of each, by features
_SAME_FEATURES = 0.999  # cosine of near duplicates where there are no thumbnails to compare
_LIKE_FEATURES = 0.9  # cosine below which thumbnails are not compared
_LIKE_PIXELS = 0.99  # correlation of thumbnails of near duplicates; of different digits of MNIST none reached it
_LIKE_HALVED = 0.98  # the same at half their size, below which thumbnails are not compared
_SMALL = 32  # pixels a side of what is compared
_MOST_OUTLIERS = 100
_TRIED = 300  # images that tell how many there is time for
_SEEN = 0.3  # of the time may go into looking at thumbnails


class Cleaning:
    """Looks through the images of a page by a run's features: those of its end, else those of the last snapshot."""

    def __init__(
        self, run: RunReader, page_rows: np.ndarray, time: Timeline, thumbnails: Thumbnails, limit: TimeLimit = NO_LIMIT
    ) -> None:
        """Within `limit` so many images are compared with each other as there is time for."""
        self.run, self.rows = run, page_rows
        last = next((frame for frame in reversed(time.frames) if frame.kind == "network"), None)
        self.features: np.ndarray | None = None
        self.places = np.arange(len(page_rows))  # image numbers of the page that the features are of
        if run.embeddings is not None:
            self.features = np.asarray(run.embeddings[page_rows])
        elif last is not None:
            self.features, self.places = last.features_ND, time.places
        self.compared = np.arange(len(self.places))  # positions in them, of what is compared with each other
        self.tiles: np.ndarray | None = None
        if thumbnails.place:
            self.tiles = self._contents(thumbnails, limit.share(_SEEN))
        self.by_pixels = self.features is None and self.tiles is not None
        compared = _halved(self.tiles) if self.by_pixels and self.tiles is not None else self.features
        self.near: tuple[np.ndarray, np.ndarray] | None = None
        if compared is not None:
            x_ND = compared if len(self.compared) == len(compared) else compared[self.compared]
            fit = _fitting(len(x_ND), 2, limit, lambda at: nearest_rows(x_ND[at], _LOOKED_AT))
            if fit < len(x_ND):
                self.compared, x_ND = evenly(self.compared, fit), evenly(x_ND, fit)
            self.near = nearest_rows(x_ND, _LOOKED_AT)

    def _contents(self, thumbnails: Thumbnails, limit: TimeLimit) -> np.ndarray:
        """Of the thumbnails of all images, or of those that are compared where the time does not do for all."""

        def contents(images: np.ndarray) -> np.ndarray:
            return _contents([thumbnails.tile(int(row)) for row in self.rows[images]])

        fit = _fitting(len(self.rows), 1, limit, contents)
        if fit == len(self.rows):
            return contents(np.arange(fit))
        self.compared = evenly(self.compared, fit)
        images = self.places[self.compared]
        tiles = np.zeros((len(self.rows), _SMALL * _SMALL), np.float32)  # like nothing
        tiles[images] = contents(images)
        return tiles

    def duplicates(self) -> dict[str, object] | None:
        """`duplicates` of docs/page.md; None where there is nothing to compare.

        Exact: the pixels that the network is given are the same. Near: each other's neighbours, whose thumbnails
        are nearly the same; of exact duplicates one stands for all.
        """
        hashes = self._hashes()
        if hashes is None and self.features is None:
            return None
        alike = defaultdict(list)
        for image, key in enumerate(hashes) if hashes is not None else self._feature_bytes():
            if key is not None:
                alike[key].append(image)
        exact = [group for group in alike.values() if len(group) > 1]
        return {"exact": exact, "near": self._near(exact), "by": "pixels" if self.by_pixels else "features"}

    def outliers(self) -> list[dict[str, object]] | None:
        """`outliers` of docs/page.md: the mean distance (1 - cosine) to the nearest ten, largest first."""
        if self.features is None or self.near is None or not self.near[1].size:
            return None
        score = 1 - self.near[1].astype(float).mean(1)
        most = min(_MOST_OUTLIERS, max(1, len(score) // 10))
        order = np.argsort(-score, kind="stable")[:most]
        return [{"image": int(self.places[self.compared[i]]), "score": float(score[i])} for i in order]

    def words(self) -> str | None:
        """That not all images were compared, where there was no time for it."""
        many, all_of_them = len(self.compared), len(self.places)
        if many == all_of_them:
            return None
        what = "Near duplicates" if self.by_pixels else "Near duplicates and outliers"
        return (
            f"{what} were looked for among {many:,} of {counted(all_of_them, 'image')} only, for lack of time; among "
            f"all of them: lookalike report {shlex.quote(str(self.run.path))}"
        )

    def _feature_bytes(self) -> list[tuple[int, bytes]]:
        """What stands for pixels where their hashes were not recorded."""
        assert self.features is not None
        return [(int(image), row.tobytes()) for image, row in zip(self.places, self.features, strict=True)]

    def _hashes(self) -> list[int | None] | None:
        """Of each image's pixels; None for an image, or for all, where they were not recorded."""
        if self.run.hashes is None or self.run.thumbs is None:
            return None
        by_row = dict(zip(self.run.thumbs["rows"], self.run.hashes.tolist(), strict=True))
        return [by_row.get(int(row)) for row in self.rows]

    def _near(self, exact: list[list[int]]) -> list[list[int]]:
        if self.near is None:
            return []
        stands_for = np.arange(len(self.rows))
        for group in exact:
            stands_for[group] = group[0]
        rows_NK, cosines_NK = self.near
        least = _LIKE_HALVED if self.by_pixels else _SAME_FEATURES if self.tiles is None else _LIKE_FEATURES
        which, place = np.nonzero(cosines_NK >= least)
        images = self.places[self.compared]
        pairs = np.sort(stands_for[images[np.stack([which, rows_NK[which, place]], 1)]], axis=1)
        pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
        if self.tiles is not None:
            like = [(self.tiles[a] * self.tiles[b]).sum() >= _LIKE_PIXELS for a, b in pairs]
            pairs = pairs[np.array(like, bool)]
        return _connected(pairs, len(self.rows))


def _fitting(n: int, power: int, limit: TimeLimit, work: Callable[[np.ndarray], object]) -> int:
    """How many of n pieces there is time for, where the time grows with that power of their number."""
    if limit.end is None or not n:
        return n
    few = evenly(np.arange(n), _TRIED)
    work(few)  # what is read or loaded for the first time is no part of the rate
    seconds = limit.timed(lambda: work(few))
    return min(n, int(len(few) * (limit.planned() / max(seconds, 1e-9)) ** (1 / power)))


def _contents(tiles: list[Image.Image | None]) -> np.ndarray:
    """Thumbnails as rows of length 1 around their mean (float32), whose products are correlations; 0 for none."""
    x = np.zeros((len(tiles), _SMALL * _SMALL), np.float32)
    for i, tile in enumerate(tiles):
        if tile is not None:
            x[i] = np.asarray(tile.convert("L").resize((_SMALL, _SMALL)), np.float32).ravel()
    x -= x.mean(1, keepdims=True)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.where(length > 1, x / np.maximum(length, 1), 0)  # an even surface is like nothing


def _halved(tiles_ND: np.ndarray) -> np.ndarray:
    """The same at half the size, which finds who is to be compared in a quarter of the time."""
    half = _SMALL // 2
    return np.asarray(tiles_ND.reshape(-1, half, 2, half, 2).mean((2, 4)).reshape(len(tiles_ND), half * half))


def _connected(pairs: np.ndarray, n: int) -> list[list[int]]:
    """Groups of images that are joined by pairs."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    joined = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, component = connected_components(joined, directed=False)
    groups = defaultdict(list)
    for image in np.unique(pairs):
        groups[component[image]].append(int(image))
    return list(groups.values())
