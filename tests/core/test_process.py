"""What belongs to the process of whoever calls is after a call as it was before."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier, Thread

import numpy as np
import pytest
import scipy.linalg  # noqa: F401 - brings a BLAS of its own
import torch
from threadpoolctl import threadpool_info

from lookalike.core import machine
from lookalike.core.process import single_threaded_blas, threads_kept, warnings_ignored

STATE = Path(__file__).with_name("process_state.py")


def in_two_threads(first: Callable[[Barrier], None], second: Callable[[Barrier], None]) -> None:
    """Both at a time, each until its end; a barrier for their turns."""
    turn = Barrier(2, timeout=30)
    failures: list[BaseException] = []

    def run(work: Callable[[Barrier], None]) -> None:
        try:
            work(turn)
        except BaseException as error:
            failures.append(error)
            turn.abort()

    threads = [Thread(target=run, args=(work,)) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def threads_of_a_new_thread() -> int:
    found: list[int] = []
    thread = Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


@pytest.fixture
def three_threads() -> Iterator[None]:
    """PyTorch is set to three, by a caller who is in no call of ours."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_threads_are_put_back_whoever_ends_last(three_threads: None):
    def first(turn: Barrier) -> None:
        with threads_kept():
            torch.set_num_threads(1)
            turn.wait()  # the other one begins here, in a thread that has seen nothing but the 1
            turn.wait()
        assert torch.get_num_threads() == 3
        turn.wait()

    def second(turn: Barrier) -> None:
        turn.wait()
        with threads_kept() as before:
            assert before == 3
            torch.set_num_threads(1)
            turn.wait()
            turn.wait()  # the other one has ended
        assert torch.get_num_threads() == 3

    in_two_threads(first, second)
    assert threads_of_a_new_thread() == torch.get_num_threads() == 3


def test_threads_are_put_back_after_an_error_and_inside_of_another_call():
    with threads_kept() as before:
        torch.set_num_threads(before + 1)
        with pytest.raises(KeyError), threads_kept():
            torch.set_num_threads(before + 2)
            raise KeyError
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_the_threads_of_blas_are_put_back_whoever_ends_last():
    before = blas_threads()

    def first(turn: Barrier) -> None:
        with single_threaded_blas():
            turn.wait()
            turn.wait()
        turn.wait()

    def second(turn: Barrier) -> None:
        turn.wait()
        with single_threaded_blas():
            turn.wait()
            turn.wait()
            assert set(blas_threads()) <= {1}

    in_two_threads(first, second)
    assert blas_threads() == before


def test_filters_of_warnings_are_put_back_whoever_ends_last():
    before = list(warnings.filters)

    def work(turn: Barrier) -> None:
        turn.wait()
        for _ in range(50):
            with warnings_ignored("odd"):
                warnings.warn("odd things", UserWarning, stacklevel=1)

    in_two_threads(work, work)
    assert list(warnings.filters) == before
    with pytest.warns(UserWarning, match="odd"):
        warnings.warn("odd things", UserWarning, stacklevel=1)


@pytest.mark.parametrize(
    ("said", "set_to", "cores", "processes", "used"),
    [
        (None, 2, 8, 1, 2),  # what the caller has set
        (None, 8, 2, 1, 2),  # a container grants two
        (3, 8, 2, 1, 3),
        (None, 1, 8, 4, 2),  # torchrun sets 1 for each of its processes
    ],
)
def test_threads_in_the_process_of_a_caller(
    said: int | None, set_to: int, cores: int, processes: int, used: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(machine, "cores", lambda: cores)
    monkeypatch.setattr(machine, "processes_here", lambda: processes)
    with threads_kept():
        torch.set_num_threads(set_to)
        machine.use_threads(said)
        assert torch.get_num_threads() == used


def test_everything_is_left_as_it_was(tmp_path: Path):
    """Import, fit, transform, predict, k-means, train, load, search, report change nothing of the one list.

    In a process of its own, which nobody has touched, and so takes some seconds.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore::UserWarning:lookalike", str(STATE), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, "nothing was changed\n"), done.stdout + done.stderr


def test_numbers_below_the_normal_ones_stay_numbers():
    assert np.finfo(np.float32).smallest_subnormal > 0
