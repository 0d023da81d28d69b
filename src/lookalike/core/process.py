"""Settings of the whole process, which belongs to whoever calls: what a call changes holds inside it and is put back.

Several calls may be under way in threads. What was there before the first of them began is there again when the last
one ends, in whichever order they end; a context manager that remembers what it finds would put back another one's
setting.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Lock, RLock, local
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # imported by those who use BLAS
    from threadpoolctl import ThreadpoolController

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # glibc, malloc.h


@cache
def keep_freed_memory() -> bool:
    """Ask glibc to keep freed memory for the next step instead of handing it back to the system.

    A training step frees and takes the same large blocks again and again. By default each of them is
    mapped and unmapped, and every page faulted in and zeroed by the kernel: measured as a fifth to a
    quarter of a step on 2 cores. glibc does not say what was set before, so this cannot be put back, and is for a
    process of our own only. Does nothing, and returns False, where there is no glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        libc = ctypes.CDLL("libc.so.6")
        return bool(
            libc.mallopt(_M_MMAP_MAX, 0)
            and libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
            and libc.mallopt(_M_TOP_PAD, 64 << 20)
        )
    except (OSError, AttributeError):
        return False


_lock = Lock()
_calls = 0  # of `threads_kept` that are under way
_before_calls = 0  # PyTorch's number of threads when the first of them began
_here = local()  # .depth: those of them that this thread is in


_computed = False  # whether a call was made in this process, and may have started threads of PyTorch's own
_forked = False  # whether this process was forked from one in which that was so


def after_fork() -> bool:
    """Whether PyTorch's own threads are gone, as in a process that was forked from one that had computed with them.

    OpenMP waits for them for ever; one thread waits for none. A process that was forked before has all of its threads.
    """
    return _forked


def _in_forked_child() -> None:
    """The other threads are not here: nobody holds the locks, and none of their calls is under way."""
    global _lock, _blas_lock, _warnings_lock, _calls, _forked
    _lock, _blas_lock, _warnings_lock = Lock(), Lock(), RLock()
    _calls = getattr(_here, "depth", 0)
    _forked = _forked or _computed


if hasattr(os, "register_at_fork"):  # Windows forks nothing
    os.register_at_fork(after_in_child=_in_forked_child)


@contextmanager
def threads_kept() -> Iterator[int]:
    """Within, PyTorch's number of threads may be changed; afterwards it is what it was, which is also given.

    The number belongs to a thread, and to those that are started later. After a fork it is 1 to begin with. Usable as
    a decorator.
    """
    global _calls, _before_calls, _computed
    import torch

    with _lock:
        _computed = True
        depth = getattr(_here, "depth", 0)
        threads = torch.get_num_threads()
        if _calls == 0:
            _before_calls = threads
        # a thread that was started during another's call has that one's number
        before = threads if depth or _calls == 0 else _before_calls
        _calls += 1
        _here.depth = depth + 1
        if _forked:
            torch.set_num_threads(1)
    try:
        yield before
    finally:
        with _lock:
            _calls -= 1
            _here.depth = depth
            torch.set_num_threads(before)


_blas_lock = Lock()
_blas_calls = 0


class _Limit(Protocol):
    """A limit of threads that was set."""

    def restore_original_limits(self) -> None:
        """Put back what was there before."""


_blas_limit: _Limit | None = None


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Within, the BLAS of NumPy and SciPy uses one thread, here or (as most builds have it) in the whole process."""
    global _blas_calls, _blas_limit
    per_thread, shared = _blas("scipy.linalg" in sys.modules)
    with per_thread.limit(limits=1, user_api="blas"):
        with _blas_lock:
            if _blas_calls == 0:
                _blas_limit = shared.limit(limits=1, user_api="blas")
            _blas_calls += 1
        try:
            yield
        finally:
            with _blas_lock:
                _blas_calls -= 1
                if _blas_calls == 0:
                    _release()
                    assert _blas_limit is not None  # the first call has set it
                    _blas_limit.restore_original_limits()
                    _release()


@cache
def _blas(with_scipy: bool) -> tuple[ThreadpoolController, ThreadpoolController]:
    """The loaded BLAS libraries: those whose limit belongs to a thread, and those whose limit all threads share.

    SciPy brings a BLAS beside NumPy's. The search takes milliseconds, so its result is cached.
    """
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController()
    layers = {library.get("threading_layer", "") for library in controller.info()} - {"openmp"}
    return controller.select(threading_layer="openmp"), controller.select(threading_layer=list(layers))


def _release() -> None:
    """In newer versions of threadpoolctl only the thread that has set a limit sets another; here the last one does."""
    import threadpoolctl

    release = getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)


@cache
def import_compiler() -> None:
    """Import what PyTorch's first optimiser imports: its compiler, which sets a variable and a filter of warnings.

    It imports rich, which draws from Python's generator.
    """
    before = set(os.environ)
    with generator_kept(), warnings_ignored(), suppress(Exception):  # the optimiser will say what is wrong with it
        importlib.import_module("torch._dynamo")
    for name in set(os.environ) - before:
        del os.environ[name]


@contextmanager
def generator_kept() -> Iterator[None]:
    """Within, Python's own generator may be drawn from, as rich does while it is imported, by scikit-learn too."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


_warnings_lock = RLock()


@contextmanager
def warnings_ignored(message: str = "", category: type[Warning] = Warning) -> Iterator[None]:
    """Within, such warnings are not shown, in all threads of the process; for short work, as others wait meanwhile.

    Args:
        message: a regular expression that the warning's text begins with.
        category: of the warning.
    """
    with _warnings_lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=message, category=category)
        yield
