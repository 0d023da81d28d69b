"""What a collection may be cleaned of: images that are there twice, or nearly so, and images unlike all others."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from lookalike.evaluate.cosine_neighbours import nearest_rows
from lookalike.report.images import Thumbnails
from lookalike.report.runs import Run

_LOOKED_AT = 10  # nearest images of each, by features
_SAME_FEATURES = 0.999  # cosine of near duplicates where there are no thumbnails to compare
_LIKE_FEATURES = 0.9  # cosine below which thumbnails are not compared
_LIKE_PIXELS = 0.97  # correlation of thumbnails of near duplicates
_SMALL = 16  # pixels a side of what is compared: noise and compression go, content stays
_MOST_OUTLIERS = 100


class Cleaning:
    """Looks through the images of a page by a run's features."""

    def __init__(self, run: Run, page_rows: np.ndarray, thumbnails: Thumbnails) -> None:
        self.run, self.rows = run, page_rows
        self.features = None if run.embeddings is None else np.asarray(run.embeddings[page_rows])
        self.near = None if self.features is None else nearest_rows(self.features, _LOOKED_AT)
        self.tiles = _contents([thumbnails.tile(int(row)) for row in page_rows]) if thumbnails.place else None

    def duplicates(self) -> dict[str, Any] | None:
        """`duplicates` of docs/page.md; None where there is nothing to compare.

        Exact: the pixels that the network is given are the same. Near: each other's neighbours, whose thumbnails
        are nearly the same; of exact duplicates one stands for all.
        """
        hashes = self._hashes()
        if hashes is None and self.features is None:
            return None
        alike = defaultdict(list)
        for image, key in enumerate(self._feature_bytes() if hashes is None else hashes):
            if key is not None:
                alike[key].append(image)
        exact = [group for group in alike.values() if len(group) > 1]
        return {"exact": exact, "near": self._near(exact)}

    def outliers(self) -> list[dict[str, Any]] | None:
        """`outliers` of docs/page.md: the mean distance (1 - cosine) to the nearest ten, largest first."""
        if self.near is None or not self.near[1].size:
            return None
        score = 1 - self.near[1].astype(float).mean(1)
        most = min(_MOST_OUTLIERS, max(1, len(score) // 10))
        return [{"image": int(i), "score": float(score[i])} for i in np.argsort(-score, kind="stable")[:most]]

    def _feature_bytes(self) -> list[bytes]:
        """What stands for pixels where their hashes were not recorded."""
        assert self.features is not None
        return [row.tobytes() for row in self.features]

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
        pairs = set()
        for image, place in np.argwhere(cosines_NK >= (_SAME_FEATURES if self.tiles is None else _LIKE_FEATURES)):
            one, two = sorted((int(stands_for[image]), int(stands_for[rows_NK[image, place]])))
            if one != two:
                pairs.add((one, two))
        if not pairs:
            return []
        at = np.array(sorted(pairs))
        if self.tiles is not None:
            at = at[(self.tiles[at[:, 0]] * self.tiles[at[:, 1]]).sum(1) >= _LIKE_PIXELS]
        return _connected(at, len(self.rows))


def _contents(tiles: list[Any]) -> np.ndarray:
    """Thumbnails as rows of length 1 around their mean (float32), whose products are correlations; 0 for none."""
    x = np.zeros((len(tiles), _SMALL * _SMALL), np.float32)
    for i, tile in enumerate(tiles):
        if tile is not None:
            x[i] = np.asarray(tile.convert("L").resize((_SMALL, _SMALL)), np.float32).ravel()
    x -= x.mean(1, keepdims=True)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.where(length > 1, x / np.maximum(length, 1), 0)  # an even surface is like nothing


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
