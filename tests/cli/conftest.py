"""Runs that several commands are tried on."""

from pathlib import Path

import pytest

from lookalike.cli.main import main


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run on digits that has learned something; not to be written to."""
    out = tmp_path_factory.mktemp("runs") / "digits"
    words = ["train", "simclr", "digits", "--out", str(out), "--epochs=8", "--width=8", "--threads=1", "--no-report"]
    assert main([*words, "--batch-size=128", "--precision=float32", "--no-snapshots"]) == 0
    return out
