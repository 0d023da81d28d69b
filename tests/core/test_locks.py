"""A file that one process has: by the system's locks, by what is written in it where there are none, never for good."""

import dataclasses
import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lookalike.core import locks
from lookalike.core.locks import Holder, Taken, held

HOLD = """
import sys, time
from pathlib import Path
from lookalike.core import locks
if sys.argv[2] == "without":
    locks.try_lock = lambda file, wait=False: False
with locks.held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=["with", "without"])
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file system with and without locks."""
    if request.param == "without":
        monkeypatch.setattr(locks, "try_lock", lambda file, wait=False: False)
    return request.param


@pytest.fixture
def other(tmp_path: Path, how: str) -> Iterator[subprocess.Popen]:
    """A process that has `tmp_path / "lock"` until its stdin is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "lock", how], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_another_process_is_named_and_its_end_waited_for(tmp_path: Path, how: str, other: subprocess.Popen):
    with pytest.raises(Taken) as taken, held(tmp_path / "lock"):
        pass
    holder = taken.value.holder
    assert holder is not None and holder.pid == other.pid and holder.alive()
    assert taken.value.sure == (how == "with")
    other.stdin.close()
    assert other.wait(60) == 0
    assert not (tmp_path / "lock").exists()
    with held(tmp_path / "lock"):
        assert Holder.read(tmp_path / "lock").pid == os.getpid()
    assert not (tmp_path / "lock").exists()


def test_what_a_killed_process_leaves_is_no_obstacle(tmp_path: Path, how: str, other: subprocess.Popen):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert Holder.read(tmp_path / "lock").pid == other.pid
    with held(tmp_path / "lock"):
        assert Holder.read(tmp_path / "lock").pid == os.getpid()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"pid": 1', "\0" * 99])
def test_a_file_that_says_nothing_is_no_obstacle(content: str, tmp_path: Path, how: str):
    (tmp_path / "lock").write_text(content)
    with held(tmp_path / "lock"):
        assert Holder.read(tmp_path / "lock").pid == os.getpid()


@pytest.mark.parametrize(
    ("change", "alive"), [({}, True), ({"started": "1"}, False), ({"pid": 2**22 + 1}, False), ({"host": "else"}, True)]
)
def test_whom_a_file_without_a_lock_is_left_to(change: dict, alive: bool, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(locks, "try_lock", lambda file, wait=False: False)
    holder = dataclasses.replace(Holder.this(), **change)
    (tmp_path / "lock").write_text(json.dumps(dataclasses.asdict(holder)))
    assert holder.alive() == alive
    if alive:
        with pytest.raises(Taken), held(tmp_path / "lock"):
            pass
        assert Holder.read(tmp_path / "lock") == holder
    else:
        with held(tmp_path / "lock"):
            pass


def test_a_thread_may_ask_again_and_no_other_thread(tmp_path: Path, how: str):
    seen: list[bool] = []

    def ask() -> None:
        try:
            with held(tmp_path / "lock"):
                seen.append(True)
        except Taken:
            seen.append(False)

    def in_a_thread() -> None:
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()

    with held(tmp_path / "lock"):
        with held(tmp_path / "lock"):
            in_a_thread()
        in_a_thread()
    in_a_thread()
    assert seen == [False, False, True]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told_from_a_lock_that_is_taken(number: int, tmp_path: Path, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError(number, "no locks here")

    monkeypatch.setattr(locks.fcntl, "flock", refused)
    with open(tmp_path / "lock", "wb") as file:
        assert locks.try_lock(file.fileno()) is False


def test_a_child_gives_back_nothing_of_its_parent(tmp_path: Path):
    with held(tmp_path / "lock"):
        child = multiprocessing.get_context("fork").Process(target=_unwinds, args=(tmp_path / "lock",))
        child.start()
        child.join()
        assert child.exitcode == 7
        assert Holder.read(tmp_path / "lock").pid == os.getpid()


def _unwinds(path: Path) -> None:
    try:
        with held(path):
            os._exit(1)
    except Taken:
        os._exit(7)


def test_a_file_that_was_removed_meanwhile_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real, calls = locks.try_lock, []

    def removed_first(file: int, wait: bool = False) -> bool:
        calls.append(file)
        if len(calls) == 1:
            (tmp_path / "lock").unlink()
        return real(file, wait)

    monkeypatch.setattr(locks, "try_lock", removed_first)
    with held(tmp_path / "lock"):
        assert (tmp_path / "lock").exists() and len(calls) == 2
