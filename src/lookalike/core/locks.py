"""A file that one process has at a time; the system gives it back when that process ends, however that comes about.

What is in the file says who has it. On file systems without locks (some network mounts) that is all there is: it
counts where a process of this number runs here that started when the holder did, and a holder on another machine is
believed. A system without `flock` (Windows) keeps nobody out.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # asked for before each use

_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)
_held: dict[str, _Held] = {}
_guard = threading.Lock()


@dataclass(frozen=True)
class Holder:
    """A process that has a file."""

    pid: int
    host: str
    since: str
    """Local time."""
    command: str
    started: str
    """What tells it from a later process of the same number; empty where the system does not say."""

    @staticmethod
    def this() -> Holder:
        """The process that asks."""
        command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv else "python"
        return Holder(
            os.getpid(), socket.gethostname(), time.strftime("%Y-%m-%d %H:%M:%S"), command, _started(os.getpid())
        )

    @staticmethod
    def read(path: Path) -> Holder | None:
        """The process that a file names; None where it names none."""
        try:
            holder = Holder(**json.loads(path.read_text(encoding="utf-8", errors="replace")))
        except (OSError, ValueError, TypeError):
            return None
        return holder if isinstance(holder.pid, int) else None

    def alive(self) -> bool:
        """Whether it may still be running."""
        if fcntl is None:  # where os.kill does not ask, but kills
            return False
        if self.host != socket.gethostname():
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:  # somebody else's
            pass
        return _started(self.pid) == self.started


class Taken(Exception):  # a state of the file; whoever asks says what it means
    """Another process has the file, or another thread of this one."""

    def __init__(self, holder: Holder | None, sure: bool = True) -> None:
        super().__init__(holder)
        self.holder = holder
        self.sure = sure
        """Whether the system says so, and not only what is written in the file."""


@dataclass
class _Held:
    """A file that this process has."""

    thread: int
    pid: int
    times: int = 1


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Have the file `path` to this thread of this process until the end of the block; it is gone then.

    The same thread may ask again within.

    Raises:
        Taken: somebody else has it.
        OSError: the file cannot be made.
    """
    key, me = os.path.realpath(path), threading.get_ident()
    with _guard:
        mine = _held.get(key)
        if mine is not None and mine.pid != os.getpid():  # a fork: what the parent has is not the child's to give back
            mine = None
        if mine is not None and mine.thread != me:
            raise Taken(Holder.read(path))
        if mine is None:
            file = _taken(path)
            _held[key] = mine = _Held(me, os.getpid())
        else:
            file = None
            mine.times += 1
    try:
        yield
    finally:
        if mine.pid == os.getpid():
            with _guard:
                mine.times -= 1
                if file is not None:
                    del _held[key]
                    with suppress(OSError):
                        path.unlink()  # before it is free, so that nobody has a file that is not there
            if file is not None:
                os.close(file)


def _taken(path: Path) -> int:
    """The open file, once it is this process's."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        try:
            locked = try_lock(file)
            if not locked:
                holder = Holder.read(path)
                if holder is not None and holder.alive():
                    raise Taken(holder, sure=False)
            elif not _is(file, path):  # its holder has removed it between the two
                os.close(file)
                continue
            with suppress(OSError):  # a full disk: nobody will read a name, but the lock holds
                os.ftruncate(file, 0)
                os.pwrite(file, (json.dumps(asdict(Holder.this())) + "\n").encode(), 0)
        except BlockingIOError:
            os.close(file)
            raise Taken(Holder.read(path)) from None
        except BaseException:
            os.close(file)
            raise
        return file


def try_lock(file: int, wait: bool = False) -> bool:
    """Lock an open file; False where there are no locks.

    Args:
        file: its descriptor. Closing it, and the end of the process, unlocks it.
        wait: for whoever has it.

    Raises:
        BlockingIOError: somebody has it.
        OSError: anything else.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


def _is(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))  # noqa: PTH116  # as fstat is of os
    except OSError:
        return False


def _started(pid: int) -> str:
    """When a process started, in ticks since the system did; empty where /proc does not tell."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return text.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
