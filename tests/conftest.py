"""Fixtures shared by all tests."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from browser import chromium
from heard import Heard
from lookalike.core.progress import listening

WORKER = os.environ.get("PYTEST_XDIST_WORKER")
if WORKER is not None and hasattr(os, "sched_setaffinity"):
    # Tests run side by side, one core each: two threads of each of two tests wait for each other most of the time.
    CORES = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {CORES[int(WORKER.removeprefix("gw")) % len(CORES)]})

# As the command line does, before PyTorch is imported: idle threads of OpenMP that spin take the core from the others.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in the background of a script; the programs that are started here would inherit it and never hear Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)

if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as after nohup, where a run goes on when it is told to hang up

HOSTILE = "<img src=x onerror=alert(1)>.png"
"""A file name that would run a script on a page that did not escape it."""


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Stores that tests make are not left among the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images (../shared/data or LOOKALIKE_DATA); the test skips where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LOOKALIKE_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"no real images in {folder}; set LOOKALIKE_DATA to the folder that holds them")
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium; the test skips where there is none."""
    with chromium() as found:
        yield found


@pytest.fixture
def heard() -> Iterator[Heard]:
    """What is said while the test runs."""
    listener = Heard()
    with listening(listener):
        yield listener


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 colour images of 20 x 20 pixels in three class folders, one of them with a hostile name."""
    folder = tmp_path_factory.mktemp("data") / "photos"
    generator = np.random.default_rng(0)
    for c, name in enumerate(("blue", "green", "red")):
        (folder / name).mkdir(parents=True)
        for i in range(20):
            pixels = generator.integers(0, 90, (20, 20, 3), dtype=np.uint8)
            pixels[..., 2 - c] += 160
            file = HOSTILE if (c, i) == (2, 19) else f"{i:03d}.png"
            Image.fromarray(pixels).save(folder / name / file)
    return folder


@pytest.fixture(scope="session")
def photo_run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of one epoch of a tiny network on `photos`."""
    from lookalike.cli.main import main

    out = tmp_path_factory.mktemp("runs") / "photos"
    words = ["train", "simclr", str(photos), "--out", str(out), "--epochs=2", "--width=4", "--threads=1"]
    assert main([*words, "--batch-size=20", "--precision=float32", "--no-report"]) == 0
    return out
