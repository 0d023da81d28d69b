"""The benchmarks of evaluation, map and start-up run and compare what they say they compare; nobody is timed here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def tiny(name: str) -> dict[str, Any]:
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), "--tiny"]
    done = subprocess.run([*command, "--rounds", "1"], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    kept: dict[str, Any] = json.loads((ROOT / "runs" / "benchmarks" / f"{name}.json").read_text())
    assert all(f"| {' | '.join(row)} |" in done.stdout for row in kept["rows"])
    return kept


def test_all_who_are_evaluated_find_the_same():
    found = tiny("evaluate")["data"]
    assert found["kNN"]["ours"][0]["accuracy"] == found["kNN"]["scikit-learn"][0]["accuracy"] > 0.35
    (probe,) = (by for what, by in found.items() if what.startswith("probe, penalty"))
    ours, theirs = (probe[who][0]["accuracy"] for who in ("ours", "scikit-learn"))
    assert abs(ours - theirs) <= 0.01
    assert ours > 0.35  # of four classes


def test_maps_keep_neighbours_together():
    rows = {row[0]: row for row in tiny("map")["rows"]}
    assert set(rows) == {"ours", "openTSNE, as long", "openTSNE", "scikit-learn"}
    assert all(float(row[-1]) > 0.3 for row in rows.values())


def test_every_process_starts():
    found = tiny("startup")["data"]
    assert len(found) == 5
    assert found["first step on digits"][0] > found["python -c pass"][0] > 0
