"""The benchmark of the training step runs, and says what was compared and what was not; nobody is timed here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def test_all_parts_have_a_row(benchmark_of: Callable[[str], Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    benchmark_of("train_cpu").main(["--tiny"])
    shown = capsys.readouterr().out
    kept = json.loads((tmp_path / "benchmarks" / "train_cpu.json").read_text())
    assert all(f"| {' | '.join(row)} |" in shown for row in kept["rows"])
    rates, trained = kept["data"]["rates"], kept["data"]["mnist"]
    assert [row[0].split(",")[-1] for row in kept["rows"][:3]] == [" views/s"] * 3
    # twice the width of a small network: the convolutions between maps of that width have four times the products
    assert 2.5 < rates["flops"]["cifar10, width 64"] / rates["flops"]["cifar10"] < 4
    assert rates["missing"] == trained["missing"] == "lightly is not installed for --tiny"
    assert trained["ours"]["steps"] >= 2
    assert trained["ours"]["linear"] > 0.5  # digits, of ten kinds


def test_an_unknown_part_is_refused(benchmark_of: Callable[[str], Any], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as raised:
        benchmark_of("train_cpu").main(["--tiny", "--parts", "rates,imagenet"])
    assert raised.value.code == 2 and "no part imagenet; there are rates, mnist, cifar10" in capsys.readouterr().err
