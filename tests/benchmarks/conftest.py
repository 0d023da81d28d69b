"""Benchmarks in their tiny form: they run to their table, and keep what they measure where the test says."""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """A benchmark's module by its name; its JSON goes into a folder of the test."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    source = str(BENCHMARKS.parent / "src")  # for the processes that it starts
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([source, *filter(None, [os.environ.get("PYTHONPATH")])]))
    common = importlib.import_module("common")
    monkeypatch.setattr(common, "ENVIRONMENTS", tmp_path / "benchmarks" / "environments")

    return importlib.import_module
