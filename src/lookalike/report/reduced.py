"""A timeline of fewer images and fewer moments, where a map of all of them would take too long."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from lookalike.core.words import counted
from lookalike.evaluate.map_pace import measure_paces
from lookalike.report.before import has_learned
from lookalike.report.images import evenly
from lookalike.report.time_limit import TimeLimit
from lookalike.report.timeline import Timeline
from lookalike.runs.reader import RunReader

_FEWEST = (2_000, 300, 30)  # images of a map of many moments, of three, and of one: below, moments are given up first
_LEAST = 2.0  # seconds below which no map is begun
_MAPS = 0.8  # of the time is planned for: a layout can be stopped under way


def reduced(time: Timeline, limit: TimeLimit, threads: int) -> tuple[Timeline, int]:
    """A timeline whose map and neighbours are forecast to be there in time, and how many threads are to make them.

    Rates are measured here. The first and the last moment of a network are kept as long as there are two, and images
    are given up before the last moment is. Without time for anything no moment is left.
    """
    if limit.end is None or not time.frames or not len(time.rows):
        return time, threads
    if limit.left() < _LEAST:
        return dataclasses.replace(time, frames=[]), threads
    features = [frame.features_ND for frame in time.frames]
    widths = [x.shape[1] for x in features]
    paces = measure_paces(
        features[time.first],
        dict(zip(widths, features, strict=True)),
        time.seed,
        threads,
        limit.left(),
        limit.clock,
    )
    pace = min(paces, key=lambda pace: pace.seconds(len(time.rows), widths))
    seconds = limit.planned(_MAPS)
    if pace.seconds(len(time.rows), widths, maps=time.kept_map() is None) <= seconds:
        return time, pace.threads
    for moments in _fewer(range(len(features)), time.first):
        least = _FEWEST[0 if len(moments) > 3 else 1 if len(moments) > 1 else 2]
        images = _most(len(time.rows), partial(pace.seconds, widths=[widths[at] for at in moments]), seconds)
        if images >= min(least, len(time.rows)):
            return _subset(time, moments, images), pace.threads
    return dataclasses.replace(time, frames=[]), threads


def _fewer(moments: Sequence[int], first: int) -> list[list[int]]:
    """Ways to leave out moments, few at first: the last one and `first` stay longest, then the very first."""
    ways, many = [], len(moments)
    while many > 3:
        ways.append(sorted({first, *evenly(np.array(moments[:-1]), many - 1).tolist(), moments[-1]}))
        many = -(-many // 2)
    ways.append(sorted({moments[0], first, moments[-1]}))
    ways.append(sorted({first, moments[-1]}))
    ways.append([moments[-1]])
    return ways


def _most(n: int, seconds: Callable[[int], float], most: float) -> int:
    """The largest number of images up to n that take at most so many seconds."""
    low, high = 0, n
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if seconds(middle) <= most else (low, middle - 1)
    return low


def _subset(time: Timeline, moments: Sequence[int], images: int) -> Timeline:
    at = evenly(np.arange(len(time.rows)), images)
    frames = [time.frames[moment] for moment in moments]
    return dataclasses.replace(
        time,
        rows=time.rows[at],
        places=time.places[at],
        frames=[
            dataclasses.replace(
                frame,
                features_ND=frame.features_ND[at],
                clusters_N=None if frame.clusters_N is None else frame.clusters_N[at],
            )
            for frame in frames
        ],
    )


def map_words(run: RunReader, whole: Timeline, mapped: Timeline, settled: bool) -> str | None:
    """Of how many images and moments the map is, where these are not all that could be shown."""
    again = f"lookalike report {shlex.quote(str(run.path))}"
    if whole.frames and not mapped.frames:
        return f"No map and no closest images, for lack of time; with them: {again}"
    images, moments = len(mapped.rows), len(mapped.frames)
    words = f"The map and the closest images are of {images:,} of {counted(run.images, 'image')}"
    if mapped is whole and settled:
        return None if has_learned(run) or images in (0, run.images) else f"{words}."
    words += f" at {moments:,} of {counted(len(whole.frames), 'moment')}" if moments != len(whole.frames) else ""
    words += "" if settled else ", and its points had not come to rest"
    more = f" of {counted(len(whole.rows), 'image')}" if images != len(whole.rows) else ""
    return f"{words}, for lack of time; the whole map{more}: {again}"
