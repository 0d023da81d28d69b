"""What a map costs on this machine, measured on a few hundred of its images before it is made."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lookalike.evaluate.cosine_neighbours import nearest_rows
from lookalike.evaluate.map import FEWEST, FIRST, FOLLOWING, NEIGHBOURS, begun

_IMAGES = 600  # of the trial
_ITERATIONS = 10


@dataclass(frozen=True)
class MapPace:
    """Seconds of the parts of a map of so many images."""

    images: int
    neighbours: Mapping[int, float]
    """To find the nearest of each, by the width of the features; grows with the square of their number."""
    affinities: float
    """To begin a layout; grows with their number."""
    iteration: float
    """Of a layout; grows a little faster than their number."""

    def seconds(self, n: int, widths: Sequence[int], maps: bool = True) -> float:
        """Forecast for n images at moments whose features are so wide; without `maps`, of the neighbours alone."""
        more = n / self.images
        found = sum(self.neighbours[width] for width in widths) * more**2
        if maps and n >= FEWEST:
            iterations = FIRST + FOLLOWING * (len(widths) - 1)
            slower = math.log2(max(2, n)) / math.log2(max(2, self.images))
            found += len(widths) * self.affinities * more + iterations * self.iteration * more * slower
        return found


def measure_pace(
    first_ND: np.ndarray,
    by_width: Mapping[int, np.ndarray],
    seed: int,
    threads: int,
    clock: Callable[[], float] = time.monotonic,
) -> MapPace:
    """Lay out a sample of the images for some iterations.

    Args:
        first_ND: floating features of the moment that is laid out first.
        by_width: features of the same images, one for each width.
        seed: as for the map.
        threads: as for the map.
        clock: seconds.
    """
    n = len(first_ND)
    rows = np.arange(n) if n <= _IMAGES else np.arange(_IMAGES) * n // _IMAGES
    neighbours = {}
    for width, x_ND in by_width.items():
        start = clock()
        nearest_rows(x_ND[rows], NEIGHBOURS)
        neighbours[width] = clock() - start
    if len(rows) < FEWEST:
        return MapPace(len(rows), neighbours, 0.0, 0.0)
    few = rows[:FEWEST]  # loads the library, which is no part of any rate
    begun(first_ND[few], nearest_rows(first_ND[few], NEIGHBOURS), None, seed, threads)
    near = nearest_rows(first_ND[rows], NEIGHBOURS)
    start = clock()
    layout = begun(first_ND[rows], near, None, seed, threads)
    laid = clock()
    layout.optimize(_ITERATIONS, inplace=True, momentum=0.8)
    return MapPace(len(rows), neighbours, laid - start, (clock() - laid) / _ITERATIONS)
