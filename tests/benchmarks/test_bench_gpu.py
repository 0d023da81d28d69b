"""The benchmark for a GPU, on a CPU: its parts, its memory, its limit, and that it goes on where it stopped."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

NAMES = ["loss", "augment", "kmeans", "epoch", "clustering", "supervised", "knn"]


@pytest.mark.parametrize("name", NAMES)
def test_a_part_on_a_cpu(benchmark_of: Callable[[str], Any], tmp_path: Path, name: str):
    gpu, parts = benchmark_of("gpu"), benchmark_of("gpu_parts")
    part = next(part for part in parts.PARTS if part.name == name)
    at = parts.At("cpu", tmp_path, tiny=True, known={"epoch": {"seconds": 1.0}, "supervised": {"accuracy": 0.5}})
    found = gpu.measured_here(part, at)
    assert found["status"] == "measured", found
    assert found["measured"]
    assert "reached" in found


def test_less_memory_takes_a_smaller_size_and_says_so(benchmark_of: Callable[[str], Any], tmp_path: Path):
    parts = benchmark_of("gpu_parts")
    needs = {64: 100.0, 16: 10.0}
    assert parts.fitting([64, 16], needs.__getitem__, 100) == (64, "")
    size, remark = parts.fitting([64, 16], needs.__getitem__, 99)
    assert size == 16
    assert remark == "64 needs 100 B, 99 B are free: 16 measured"
    with pytest.raises(parts.NotMeasured, match="10 B are needed, 9 B are free"):
        parts.fitting([64, 16], needs.__getitem__, 9)
    found = parts.loss(parts.At("cpu", tmp_path, tiny=True, memory=300_000))
    assert found["batch"] == 16
    assert found["reached"] is None, "what was asked is of another size"


def test_without_a_gpu_every_row_says_so(
    benchmark_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    gpu = benchmark_of("gpu")
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    gpu.main(["--data", "nowhere"])
    told = capsys.readouterr().out
    assert told.count("not measured: no GPU here") == len(gpu.PARTS)


def test_it_goes_on_where_it_stopped(
    benchmark_of: Callable[[str], Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    gpu = benchmark_of("gpu")
    words = ["--tiny", "--device", "cpu", "--out", str(tmp_path / "out")]
    gpu.main([*words, "--limit", "0.001s", "--parts", "kmeans"])
    assert "no time was left of 0.001s; the same command goes on" in capsys.readouterr().out
    gpu.main([*words, "--parts", "kmeans"])  # in a process of its own
    first = capsys.readouterr().out
    kept = json.loads((tmp_path / "out" / "gpu.json").read_text())
    (card,) = kept
    assert kept[card]["kmeans"]["status"] == "measured"
    gpu.main([*words, "--parts", "kmeans", "--memory", "1"])  # would fail if it were measured again
    assert capsys.readouterr().out == first


def test_what_needs_data_asks_for_it(benchmark_of: Callable[[str], Any], tmp_path: Path):
    gpu, parts = benchmark_of("gpu"), benchmark_of("gpu_parts")
    part = next(part for part in parts.PARTS if part.name == "knn")
    found = gpu.measured_here(part, parts.At("cpu", tmp_path))
    assert found["status"] == "not measured"
    assert found["remark"].startswith("give --data DIR")
