"""What a map costs on this machine, measured on a few hundred of its images before it is made."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from lookalike.evaluate.map import FEWEST, FIRST, FOLLOWING, NEIGHBOURS, begun
from lookalike.neighbors.numpy_backend import nearest_rows

_SMALL, _LARGE = 120, 600  # images of the trials; two, as an iteration takes some time whatever it is of
_ITERATIONS = 10
_WORTH = 20  # times as long as the small trial must be left for the large one
_SLOWER = 3.0  # times as slow as one thread must several be in the small trial not to be tried further
_BY_IMAGES = 0.5  # of the time of an iteration is counted as the images' at the least


@dataclass(frozen=True)
class MapPace:
    """Seconds of the parts of a map, with so many threads."""

    threads: int
    neighbours: Mapping[int, float]
    """To compare an image with another when the nearest are looked for, by the width of the features."""
    begin: float
    """To begin a layout, an image."""
    iteration: float
    """Of a layout, whatever it is of,"""
    moved: float
    """and an image, when there are `images` of them; with more it grows slowly."""
    images: int = _LARGE

    def seconds(self, n: int, widths: Sequence[int], maps: bool = True) -> float:
        """Forecast for n images at moments whose features are so wide; without `maps`, of the neighbours alone."""
        total = sum(self.neighbours[width] for width in widths) * n**2
        if maps and n >= FEWEST:
            iterations = FIRST + FOLLOWING * (len(widths) - 1)
            slower = max(1.0, math.log2(n) / math.log2(self.images))
            total += len(widths) * self.begin * n + iterations * (self.iteration + self.moved * n * slower)
        return total


def measure_paces(
    first_ND: np.ndarray,
    by_width: Mapping[int, np.ndarray],
    seed: int,
    threads: int,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> list[MapPace]:
    """Lay out samples of the images for some iterations, by one thread and by several.

    Where other programs want the processors too, one thread can be many times as fast as two that wait for each other.

    Args:
        first_ND: floating features of the moment that is laid out first.
        by_width: features of the same images, one for each width.
        seed: as for the map.
        threads: as for the map.
        seconds: that are left for the map; with few of them the trial is small.
        clock: seconds.

    Returns:
        A pace for each number of threads.
    """
    n, start = len(first_ND), clock()
    small, large = _rows(n, _SMALL), _rows(n, _LARGE)
    warm = first_ND[small[:FEWEST]]  # loads libraries, which is no part of any rate
    near = nearest_rows(warm, NEIGHBOURS)
    if n >= FEWEST:
        begun(warm, near, None, seed, 1)
    begin, iteration = _trial(first_ND[small], seed, 1, clock)
    trials = {1: [(begin, iteration)]}
    more = n > _SMALL and (begin + _ITERATIONS * iteration) * _WORTH < seconds - (clock() - start)
    if threads > 1:
        trials[threads] = [_trial(first_ND[small], seed, threads, clock)]
        if trials[threads][0][1] > _SLOWER * trials[1][0][1]:
            del trials[threads]
    if more:
        for count in trials:
            trials[count].append(_trial(first_ND[large], seed, count, clock))
    neighbours = {}
    for width, x_ND in by_width.items():
        begins = clock()
        nearest_rows(x_ND[large], NEIGHBOURS)
        neighbours[width] = (clock() - begins) / len(large) ** 2
    images = len(large) if more else len(small)
    return [_pace(count, trials[count], len(small), images, neighbours) for count in trials]


def _rows(n: int, most: int) -> np.ndarray:
    return np.arange(n) if n <= most else np.arange(most) * n // most


def _trial(x_ND: np.ndarray, seed: int, threads: int, clock: Callable[[], float]) -> tuple[float, float]:
    """Seconds to begin a layout, and of an iteration."""
    if len(x_ND) < FEWEST:
        return 0.0, 0.0
    near = nearest_rows(x_ND, NEIGHBOURS)
    with threadpool_limits(threads):
        start = clock()
        layout = begun(x_ND, near, None, seed, threads)
        laid = clock()
        layout.optimize(_ITERATIONS, inplace=True, momentum=0.8)
        return laid - start, (clock() - laid) / _ITERATIONS


def _pace(
    threads: int, trials: Sequence[tuple[float, float]], small: int, large: int, neighbours: Mapping[int, float]
) -> MapPace:
    begin, iteration = trials[-1]
    by_images = iteration
    if large > small:
        by_images = (iteration - trials[0][1]) / (large - small) * large
        by_images = min(max(by_images, _BY_IMAGES * iteration), iteration)
    return MapPace(threads, neighbours, begin / large, iteration - by_images, by_images / large, max(2, large))
