"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images (../shared/data or LOOKALIKE_DATA); the test skips where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LOOKALIKE_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"no real images in {folder}; set LOOKALIKE_DATA to the folder that holds them")
    return folder
