"""The benchmark of scaling: a row a part, and slopes as they are."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def test_it_runs(benchmark_of: Callable[[str], Any], capsys: pytest.CaptureFixture[str]):
    scaling = benchmark_of("scaling")
    scaling.main(["--tiny"])
    told = capsys.readouterr().out
    for part in scaling.PARTS:
        assert (f"| {part.name} | {part.grows} |" in told) == bool(part.tiny)


def test_slopes(benchmark_of: Callable[[str], Any]):
    scaling = benchmark_of("scaling")
    assert scaling.slope([1, 2, 4], [3.0, 12.0, 48.0]) == pytest.approx(2)
    assert scaling.slope([1, 2], [1.0, 0.5]) == pytest.approx(-1)
