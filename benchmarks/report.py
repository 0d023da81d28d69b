"""Seconds and bytes of the page of a run: collected, laid out and written, with the map made anew.

    python benchmarks/report.py RUN [--threads 2] [--write]

Prints the load of the machine before and after: on a machine that others use, seconds are an upper bound.
"""

from __future__ import annotations

import argparse
import os
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

import common
from lookalike.evaluate.map import aligned_maps
from lookalike.report.collect import collect
from lookalike.report.packing import unpacked
from lookalike.report.page import write_page
from lookalike.runs.reader import RunReader


def main(words: list[str] | None = None) -> None:
    """Measure one run folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    options = parser.parse_args(words)
    table = common.Table("report", ["what", "seconds", "of which to collect", "of the processor", "MB"])
    before = os.getloadavg()[0]
    (options.run / "snapshots" / "map.npz").unlink(missing_ok=True)
    for what in ("first page", "second page, map kept"):
        begun, used = time.monotonic(), time.process_time()
        data = collect([options.run], threads=options.threads)
        collected = time.monotonic()
        write_page(data, options.run / "report.html")
        done = time.monotonic()
        seconds = (f"{s:.1f}" for s in (done - begun, collected - begun, time.process_time() - used))
        table.row(what, *seconds, f"{(options.run / 'report.html').stat().st_size / 1e6:.2f}")
    part = data["runs"][0]
    frames = np.stack([unpacked(frame) for frame in part["map"]["frames"]])
    shown = f"{len(data['images']['paths']):,} images, {frames.shape[1]:,} mapped, {len(frames)} snapshots"
    features = RunReader(options.run).frames[-1].features_ND
    same = aligned_maps([features] * 3)
    moves = [float(np.median(np.linalg.norm(a - b, axis=1))) for a, b in pairwise(same)]
    moved = " and ".join(f"{move:.2%}" for move in moves)
    table.note(f"{shown}. The same features again move by {moved} of the map's width.")
    table.note(f"Load of the machine: {before:.1f} before, {os.getloadavg()[0]:.1f} after.")
    print(table.save(options.write))


if __name__ == "__main__":
    main()
