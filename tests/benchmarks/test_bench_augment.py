"""The benchmark of augmentation runs, and says what was compared; nobody is timed here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.slow
def test_the_tiny_form_times_every_case(benchmark_of: Callable[[str], Any], tmp_path: Path):
    benchmark_of("augment").main(["--tiny"])
    kept = json.loads((tmp_path / "benchmarks" / "augment.json").read_text())
    ours = {row[0] for row in kept["rows"] if row[1] == "ours"}
    assert {"simclr-small, 32 px", "simclr, 64 px", "digits, 28 px, grey"} <= ours
    assert {row[1] for row in kept["rows"]} == {"ours", *(who for who in kept["data"] if who.startswith("floor"))}
    for answers in kept["data"].values():
        assert len(answers) == 2
        assert all(rate > 0 for answer in answers for rate in answer.values())
