"""The benchmark of augmentation runs, and says what was compared; nobody is timed here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def test_the_tiny_form_times_every_case():
    command = [sys.executable, str(ROOT / "benchmarks" / "augment.py"), "--tiny"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    kept = json.loads((ROOT / "runs" / "benchmarks" / "augment.json").read_text())
    assert all(f"| {' | '.join(row)} |" in done.stdout for row in kept["rows"])
    ours = {row[0] for row in kept["rows"] if row[1] == "ours"}
    assert {"simclr-small, 32 px", "simclr, 64 px", "digits, 28 px, grey"} <= ours
    assert {row[1] for row in kept["rows"]} == {"ours", *(who for who in kept["data"] if who.startswith("floor"))}
    for answers in kept["data"].values():
        assert len(answers) == 2
        assert all(rate > 0 for answer in answers for rate in answer.values())
