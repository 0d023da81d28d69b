"""Processes that know of each other, and commands in processes that need not import PyTorch first."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from lookalike.contract.stand_ins import in_processes, start

__all__ = ["Command", "command", "commands", "in_processes", "start"]


@dataclass(frozen=True)
class Command:
    """`lookalike` in a process of its own."""

    process: BaseProcess
    output: Path
    """What it has written to stdout and stderr."""

    def end(self, seconds: float = 120) -> str:
        """Wait for its end; what it has written."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, f"it did not end within {seconds} seconds"
        return self.output.read_text(encoding="utf-8")


def command(words: Sequence[str], output: Path, environment: Mapping[str, str] | None = None) -> Command:
    """Start `lookalike WORDS`; `environment` is added to the variables."""
    return Command(start(_run, list(words), str(output), dict(environment or {})), output)


def commands(words: Sequence[str], folder: Path, size: int = 2) -> list[Command]:
    """Start `lookalike WORDS` in so many processes of one job, as torchrun does; their output is put into a folder."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size)}
    return [
        command(words, folder / str(rank), {**job, "RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(size)
    ]


def _run(words: list[str], output: str, environment: dict[str, str]) -> None:
    from lookalike.cli.main import entry

    with open(output, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment)
    sys.argv = ["lookalike", *words]
    entry()
