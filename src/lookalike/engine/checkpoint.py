"""Checkpoints: everything needed to go on, in one file that holds tensors and plain values only."""

from __future__ import annotations

import pickle
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import torch

from lookalike.core.errors import LookalikeError
from lookalike.core.files import write_atomically
from lookalike.core.progress import phase
from lookalike.core.record_types import Record
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.methods.base import Method
from lookalike.methods.find import identity

FORMAT = 2


def whole_state(method: Method) -> Record:
    """A method's state with the rows of all processes; all of them call this."""
    state = method.state_dict()
    for name in method.sharded_buffers:
        state[name] = method.comm.gather(state[name].transpose(0, 1)).transpose(0, 1).contiguous()
    return state


def local_state(method: Method, state: Record, n: int) -> Record:
    """What of `whole_state` this process has, of n training images."""
    rows = method.comm.local_slice(n)
    return {name: value[:, rows] if name in method.sharded_buffers else value for name, value in state.items()}


def learned_state(method: Method, backbone: FeatureExtractor, optimizer: torch.optim.Optimizer) -> Record:
    """What was learned, and of which network it is; all processes call this."""
    return {
        "architecture": _architecture(method, backbone),
        "method": whole_state(method),
        "optimizer": optimizer.state_dict(),
    }


def load_learned(
    state: Record, path: Path, method: Method, backbone: FeatureExtractor, optimizer: torch.optim.Optimizer, n: int
) -> None:
    """Put what the checkpoint at `path` holds into a method of n training images, and its optimiser.

    Raises:
        LookalikeError: it is of another architecture.
    """
    stored, current = state["architecture"], _architecture(method, backbone)
    if stored != current:
        different = ", ".join(
            f"{k} {stored.get(k)!r} there, {v!r} here" for k, v in current.items() if stored.get(k) != v
        )
        raise LookalikeError(f"{path} is of another architecture: {different}")
    try:
        method.load_state_dict(local_state(method, state["method"], n))
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError) as error:
        raise LookalikeError(f"{path} does not fit this network: {error}") from error


def _architecture(method: Method, backbone: FeatureExtractor) -> Record:
    return {**asdict(backbone.spec), "method": identity(type(method))}


def save_checkpoint(path: Path, state: Record) -> None:
    """Write a checkpoint atomically.

    Raises:
        MachineError: the disk is full or refuses; the checkpoint that was there stays as it was.
    """

    def write(file: BinaryIO) -> None:
        try:
            torch.save({"format": FORMAT, **state}, file)
        except RuntimeError as error:  # torch hides the OSError of a full disk behind its own
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise OSError(None, str(error).splitlines()[0]) from error

    with phase("saving the state"):
        write_atomically(path, write)


def load_checkpoint(path: Path) -> Record:
    """Read a checkpoint; nothing but tensors and plain values is ever unpickled.

    Raises:
        LookalikeError: the file is damaged, or written by a newer version.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise LookalikeError(
            f"{path} cannot be read as a checkpoint ({str(error).splitlines()[0] or type(error).__name__}); "
            "remove it to start this run afresh, or choose another --out"
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        version = state.get("format") if isinstance(state, dict) else type(state).__name__
        raise LookalikeError(f"{path} has checkpoint format {version!r}, this version reads {FORMAT}")
    return state
