"""Checkpoints: everything needed to go on, in one file that holds tensors and plain values only."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from lookalike.core.errors import LookalikeError
from lookalike.core.files import write_atomically
from lookalike.core.progress import phase
from lookalike.methods.base import Method

FORMAT = 2


def whole_state(method: Method) -> dict[str, Any]:
    """A method's state with the rows of all processes; all of them call this."""
    state = method.state_dict()
    for name in method.sharded_buffers:
        state[name] = method.comm.gather(state[name].transpose(0, 1)).transpose(0, 1).contiguous()
    return state


def own_state(method: Method, state: dict[str, Any], n: int) -> dict[str, Any]:
    """What of `whole_state` this process has, of n training images."""
    own = method.comm.own(n)
    return {name: value[:, own] if name in method.sharded_buffers else value for name, value in state.items()}


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint atomically.

    Raises:
        MachineError: the disk is full or refuses; the checkpoint that was there stays as it was.
    """

    def write(file: Any) -> None:
        try:
            torch.save({"format": FORMAT, **state}, file)
        except RuntimeError as error:  # torch hides the OSError of a full disk behind its own
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise OSError(None, str(error).splitlines()[0]) from error

    with phase("saving the state"):
        write_atomically(path, write)


def load_checkpoint(path: Path) -> dict[str, Any]:
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
        found = state.get("format") if isinstance(state, dict) else type(state).__name__
        raise LookalikeError(f"{path} has checkpoint format {found!r}, this version reads {FORMAT}")
    return state


def raise_other_architecture(path: Path, there: dict[str, Any], here: dict[str, Any]) -> None:
    """Refuse a checkpoint of another network.

    Raises:
        LookalikeError: what `state` calls the architecture differs; says in what.
    """
    if there != here:
        different = ", ".join(f"{k} {there.get(k)!r} there, {v!r} here" for k, v in here.items() if there.get(k) != v)
        raise LookalikeError(f"{path} is of another architecture: {different}")
