"""The page at size: bytes, seconds until it is ready, milliseconds a frame of its map, in a headless Chromium.

    python benchmarks/report_page.py
    python benchmarks/report_page.py --tiny
    python benchmarks/report_page.py --images 20000,100000 --mapped 5000,100000 --repeat 3

Each size is a page of made-up images (tests/report/fake_report.py) on a map of so many points. "ready" counts from
opening the file to the second frame drawn after all sections are filled, as the page itself measures it; the best
of --repeat is given, as other work on the machine only ever adds. Frames are those of a glide over all snapshots:
"draw" is the script's time for one (positions interpolated, points drawn, pixels handed over), "between" the time
from one to the next as the browser shows them, at the least the 17 ms of a screen. Requests and complaints of the
page must be none, or the benchmark fails.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path += [str(Path(__file__).resolve().parent.parent / "tests" / room) for room in (".", "report")]

import common
from browser import Opened, chromium
from fake_report import fake_report
from lookalike.report.page import write_page


def one(browser: Any, folder: Path, images: int, mapped: int, repeat: int) -> list[str]:
    """A row of the table."""
    few = mapped <= 5000  # neighbours of more are not recorded by a run either
    data = fake_report(images, mapped=mapped, neighbours=few)
    begun = time.perf_counter()
    file = folder / f"{images}-{mapped}.html"
    write_page(data, file)
    written = time.perf_counter() - begun
    size = file.stat().st_size + sum(p.stat().st_size for p in (folder / file.stem).glob("*"))
    ready, drawn, between, slowest = [], [], [], []
    for _ in range(repeat):
        page = Opened(browser, file)
        ready.append(page.ask("lookalike.readyAfter"))
        page.page.locator("canvas.points").first.scroll_into_view_if_needed()
        page.page.wait_for_timeout(300)
        glide = page.ask("lookalike.glide(40)")
        drawn.append(statistics.median(glide["drawn"]))
        between.append(statistics.median(glide["between"]))
        slowest.append(max(glide["drawn"]))
        assert page.complaints == [], page.complaints
        assert all(url.startswith("file:") for url in page.beyond()), page.beyond()
        page.close()
    made = [f"{images:,}", f"{mapped:,}", f"{size / 1e6:.1f}", f"{written:.2f}", f"{min(ready) / 1000:.2f}"]
    return [*made, *(f"{min(ms):.1f}" for ms in (drawn, between, slowest))]


def main(words: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", default="1797,20000,20000,100000")
    parser.add_argument("--mapped", default="1797,5000,20000,100000")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="a small page, opened once")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    arguments = parser.parse_args(words)
    if arguments.tiny:
        arguments.images, arguments.mapped, arguments.repeat = "40", "40", 1
    sizes = zip(*(map(int, text.split(",")) for text in (arguments.images, arguments.mapped)), strict=True)
    frames = ["draw, ms", "between frames, ms", "slowest, ms"]
    table = common.Table("report_page", ["images", "points", "MB", "written, s", "ready, s", *frames])
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        for images, mapped in sizes:
            table.row(*one(browser, Path(folder), images, mapped, arguments.repeat))
    print(table.save(arguments.write))


if __name__ == "__main__":
    main()
