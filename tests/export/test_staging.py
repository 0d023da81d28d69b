"""Files of an export appear together or not at all, also where the disk is full while another library writes."""

import errno
from pathlib import Path

import pytest

from lookalike.core.errors import MachineError
from lookalike.export.staging import staged


def test_a_full_disk_is_said_whoever_writes(tmp_path: Path):
    with pytest.raises(MachineError, match="No space left"), staged(tmp_path / "out") as work:
        (work / "a").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_other_faults_stay_what_they_are(tmp_path: Path):
    with pytest.raises(FileNotFoundError), staged(tmp_path / "out") as work:
        (work / "a").read_text()
