"""The benchmark of decoding runs and all who are compared have a row; nobody is timed here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def test_everybody_decodes_all_photos():
    command = [sys.executable, str(ROOT / "benchmarks" / "decode.py"), "--tiny"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    kept = json.loads((ROOT / "runs" / "benchmarks" / "decode.json").read_text())
    assert all(f"| {' | '.join(row)} |" in done.stdout for row in kept["rows"])
    assert {"ours", "without", "loader"} <= set(kept["data"]["answers"])
    assert kept["data"]["files"] == 24


def test_a_folder_without_photos_is_told(tmp_path: Path):
    command = [sys.executable, str(ROOT / "benchmarks" / "decode.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode != 0 and f"no JPEG files below {tmp_path}" in done.stderr
