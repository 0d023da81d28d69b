"""The benchmark of the training step runs, and says what was compared and what was not; nobody is timed here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "train_cpu.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_all_parts_have_a_row():
    done = benchmark("--tiny")
    assert done.returncode == 0, done.stdout + done.stderr
    kept = json.loads((ROOT / "runs" / "benchmarks" / "train_cpu.json").read_text())
    assert all(f"| {' | '.join(row)} |" in done.stdout for row in kept["rows"])
    rates, trained = kept["data"]["rates"], kept["data"]["mnist"]
    assert [row[0].split(",")[-1] for row in kept["rows"][:3]] == [" views/s"] * 3
    # twice the width of a small network: the convolutions between maps of that width have four times the products
    assert 2.5 < rates["flops"]["cifar10, width 64"] / rates["flops"]["cifar10"] < 4
    assert rates["missing"] == trained["missing"] == "lightly is not installed for --tiny"
    assert trained["ours"]["steps"] >= 2
    assert trained["ours"]["linear"] > 0.5  # digits, of ten kinds


def test_an_unknown_part_is_refused():
    done = benchmark("--tiny", "--parts", "rates,imagenet")
    assert done.returncode == 2 and "no part imagenet; there are rates, mnist, cifar10" in done.stderr
