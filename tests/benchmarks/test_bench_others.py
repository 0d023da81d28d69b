"""Benchmarks that are one table of one comparison: each runs in its tiny form and keeps what it printed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow

Benchmark = Callable[[str], Any]


def kept(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / "benchmarks" / f"{name}.json").read_text())


@pytest.mark.parametrize(
    ("name", "words", "rows"),
    [
        (
            "kmeans",
            "--iterations 3 --repeats 1",
            ["directions 300 x 8, 4", "directions 300 x 8, 4", "tight 300 x 8, 4"],
        ),
        ("search", "", ["300 x 8", "300 x 8"]),
        ("store", "", ["build the store", "open it"]),
    ],
)
def test_it_runs(benchmark_of: Benchmark, tmp_path: Path, name: str, words: str, rows: list[str]):
    benchmark_of(name).main([*words.split(), "--tiny"])
    found = kept(tmp_path, name)
    assert [row[0] for row in found["rows"]][: len(rows)] == rows
    assert found["data"]


def test_a_peer_of_kmeans_that_cannot_be_installed_has_a_row(
    benchmark_of: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    kmeans = benchmark_of("kmeans")

    def missing(*_: object) -> Path:
        raise kmeans.common.Missing("faiss cannot be installed: no such package")

    monkeypatch.setattr(kmeans.common, "environment", missing)
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).random((300, 8)))
    kmeans.main(["--repeats", "1", "--npy", str(tmp_path / "rows.npy"), "--k", "4"])
    rows = kept(tmp_path, "kmeans")["rows"]
    assert [row[1] for row in rows] == ["ours", "scikit-learn", "faiss"]
    assert rows[2][2] == "faiss cannot be installed: no such package"


@pytest.mark.parametrize(
    ("part", "rows"),
    [
        ("tiles", ["NT-Xent, 1,024 rows", "its matrix products alone"]),
        ("chunks", ["2 plain steps of 4", "a step of 8 in chunks"]),
    ],
)
def test_a_large_batch(
    benchmark_of: Benchmark, tmp_path: Path, part: str, rows: list[str], monkeypatch: pytest.MonkeyPatch
):
    large_batch = benchmark_of("large_batch")
    monkeypatch.setattr(large_batch, "apart", lambda *words: large_batch.one([str(word) for word in words]))
    large_batch.main([part, "--tiny"])
    assert [row[0] for row in kept(tmp_path, f"large_batch_{part}")["rows"]] == rows


def test_reach(benchmark_of: Benchmark, tmp_path: Path, photos: Path):
    words = ["photos", "--data", str(photos), "--out", str(tmp_path / "reach"), "--tiny", "--set", "batch_size=20"]
    benchmark_of("reach").main(words)
    measured = {row[0]: float(row[1]) for row in kept(tmp_path, "reach_photos")["rows"]}
    assert measured["pixels.linear"] > 0.5
    assert measured["train_seconds"] > 0


def test_the_page_of_a_run(benchmark_of: Benchmark, tmp_path: Path, photo_run: Path):
    run = tmp_path / "run"
    shutil.copytree(photo_run, run)
    benchmark_of("report").main([str(run), "--threads", "1"])
    assert [row[0] for row in kept(tmp_path, "report")["rows"]] == ["first page", "second page, map kept"]
    assert (run / "report.html").exists()


def test_the_page_in_a_browser(benchmark_of: Benchmark, tmp_path: Path, browser: Any, monkeypatch: pytest.MonkeyPatch):
    from contextlib import nullcontext

    report_page = benchmark_of("report_page")
    monkeypatch.setattr(report_page, "chromium", lambda: nullcontext(browser))
    report_page.main(["--tiny"])
    assert [row[:2] for row in kept(tmp_path, "report_page")["rows"]] == [["40", "40"]]
