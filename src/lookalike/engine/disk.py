"""A full disk: foreseen before the first step, and never what costs the weights.

What a run will write is estimated and compared with what is free. Then the largest file is reserved once, which a quota
or a limit of file sizes refuses as it would refuse the file, and of that the size of the weights is kept until they are
written. What fills the disk meanwhile costs states, snapshots and events, which is said; the training goes on.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from torch import nn

from lookalike.core.errors import MachineError
from lookalike.core.files import machine_faults
from lookalike.core.full_disk import is_full
from lookalike.core.machine import size_words
from lookalike.core.options import TrainOptions
from lookalike.encoders.base import width_of
from lookalike.engine.budget import LOOKS
from lookalike.engine.pacing import CLOCK
from lookalike.engine.snapshots import SUBSET, THUMBNAILS
from lookalike.runs.folder import RESERVED, RunFolder

_CANNOT = (errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS)  # file systems that reserve nothing
_RECORDS = 1 << 20  # bytes of run.json, config.toml, metrics.jsonl and the like
_ROW = 100  # bytes of a row of index.csv, on the mean
_THUMBNAIL = 2_000  # bytes of a thumbnail; on the page it is there as text
_PAGE = 3 << 20
_COPIES = {"sgd": 1, "lars": 1}  # of the weights in an optimiser's state; others have two


def foreseen(method: nn.Module, encoder: nn.Module, options: TrainOptions, n: int) -> dict[str, int]:
    """Bytes that a run on n images will write, by what they are."""
    width = width_of(encoder)
    weights, state = _bytes(encoder), _bytes(method)
    if getattr(method, "needs_labels", False):  # the classifier is kept too
        weights = state
    state += state * _COPIES.get(str(options.optimizer), 2)
    looks = LOOKS if options.schedule == CLOCK else options.epochs // max(1, options.check_every)
    frames = 3 + looks
    thumbnails, followed = min(n, THUMBNAILS), min(n, SUBSET)
    return {
        "its state, twice while it is written": 2 * state,
        "the weights": weights,
        "features and index": n * (4 * width + _ROW) + _RECORDS,
        "snapshots": options.snapshots * (frames * followed * 2 * width + thumbnails * _THUMBNAIL),
        "the page": options.report * (_PAGE + thumbnails * 2 * _THUMBNAIL),
    }


def reserve(run: RunFolder, needed: dict[str, int]) -> None:
    """See that there is space for a run, and keep that of the weights until `release`.

    Raises:
        MachineError: there is not; says what needs how much, and what can be done.
    """
    release(run)
    present = sum(file.stat().st_size for file in run.path.rglob("*") if file.is_file())
    total, free = sum(needed.values()) - present, shutil.disk_usage(run.path).free
    if total > free:
        raise MachineError(_too_little(run.path, needed, total, f"{size_words(free)} are free there"))
    weights = needed["the weights"] + _RECORDS
    largest = max(weights, needed["its state, twice while it is written"] // 2)
    if not hasattr(os, "posix_fallocate"):
        return
    path = run.path / RESERVED
    try:
        with machine_faults("write", path), open(path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, largest)
            os.truncate(file.fileno(), weights)
    except MachineError as error:
        release(run)
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in _CANNOT:
            return
        if is_full(error):
            reason = f"a file of {size_words(largest)} is refused: {getattr(error.__cause__, 'strerror', None)}"
            raise MachineError(_too_little(run.path, needed, total, reason)) from error
        raise


def release(run: RunFolder) -> None:
    """Give the space of the weights to whoever needs it, which are the weights."""
    with suppress(OSError):
        (run.path / RESERVED).unlink(missing_ok=True)


def _too_little(path: Path, needed: dict[str, int], total: int, reason: str) -> str:
    parts = ", ".join(f"{what} {size_words(size)}" for what, size in needed.items() if size)
    return (
        f"the disk has too little space for {path}: a run needs about {size_words(total)} ({parts}), and {reason}. "
        "Free some, or name a folder elsewhere with --out; --no-snapshots, --no-report and a smaller network "
        "(--encoder, --width) need less"
    )


def save_weights(run: RunFolder, files: Mapping[Path, Callable[[Path], None]], say: Callable[[str], None]) -> None:
    """Write the weights, whatever has to go for them, and wherever there is a place.

    Args:
        run: has its snapshots and its state removed, in this order, where the disk is full.
        files: what writes each of the files of weights, to the path that it is given.
        say: is told what was given up.

    Raises:
        MachineError: they could not be written to the run; says where they are.
    """
    release(run)
    left = dict(files)
    given_up: tuple[Path | None, ...] = (None, run.snapshots, run.checkpoint)
    for path in given_up:
        if path is not None:
            if not path.exists():
                continue
            say(f"the disk is full: {path} is given up for the weights")
            _remove(path)
        try:
            for file in tuple(left):
                left[file](file)
                del left[file]
            return
        except MachineError as error:
            failed = error
            if not is_full(error):
                break
    folder = Path(tempfile.mkdtemp(prefix="lookalike-"))
    for file, save in left.items():
        save(folder / file.name)
    places = " and ".join(str(folder / file.name) for file in left)
    raise MachineError(f"{failed}\nThe weights are saved in {places}: copy them to {run.path}") from failed


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _bytes(module: nn.Module) -> int:
    return sum(t.numel() * t.element_size() for t in (*module.parameters(), *module.buffers()))
