"""The benchmarks of evaluation, map and start-up run and compare what they say they compare; nobody is timed here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
Tiny = Callable[..., dict[str, Any]]


@pytest.fixture
def tiny(benchmark_of: Callable[[str], Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Tiny:
    """Runs the tiny form of a benchmark; what it kept, all of which it printed."""

    def run(name: str, *words: str) -> dict[str, Any]:
        benchmark_of(name).main(["--tiny", "--rounds", "1", *words])
        shown = capsys.readouterr().out
        kept: dict[str, Any] = json.loads((tmp_path / "benchmarks" / f"{name}.json").read_text())
        assert all(f"| {' | '.join(row)} |" in shown for row in kept["rows"])
        return kept

    return run


def test_all_who_are_evaluated_find_the_same(tiny: Tiny):
    found = tiny("evaluate")["data"]
    assert found["kNN"]["ours"][0]["accuracy"] == found["kNN"]["scikit-learn"][0]["accuracy"] > 0.35
    (probe,) = (by for what, by in found.items() if what.startswith("probe, penalty"))
    ours, theirs = (probe[who][0]["accuracy"] for who in ("ours", "scikit-learn"))
    assert abs(ours - theirs) <= 0.01
    assert ours > 0.35  # of four classes


def test_maps_keep_neighbours_together(tiny: Tiny):
    rows = {row[0]: row for row in tiny("map")["rows"]}
    assert set(rows) == {"ours", "openTSNE, as long", "openTSNE", "scikit-learn"}
    assert all(float(row[-1]) > 0.3 for row in rows.values())


def test_processes_start(tiny: Tiny):
    found = tiny("startup", "--only", "python -c pass", "lookalike --help", "first step on digits")["data"]
    assert len(found) == 3
    assert found["first step on digits"][0] > found["python -c pass"][0] > 0
