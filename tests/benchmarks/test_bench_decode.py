"""The benchmark of decoding runs and all who are compared have a row; nobody is timed here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def test_everybody_decodes_all_photos(benchmark_of: Callable[[str], Any], tmp_path: Path):
    benchmark_of("decode").main(["--tiny"])
    kept = json.loads((tmp_path / "benchmarks" / "decode.json").read_text())
    assert {"ours", "without", "loader"} <= set(kept["data"]["answers"])
    assert len(kept["rows"]) == len(kept["data"]["answers"])
    assert kept["data"]["files"] == 24


def test_a_folder_without_photos_is_told(benchmark_of: Callable[[str], Any], tmp_path: Path):
    with pytest.raises(SystemExit, match=f"no JPEG files below {tmp_path}"):
        benchmark_of("decode").main([str(tmp_path)])
