"""Files that cannot be read as what they are: what is wrong with one, and the way out of it.

lookalike writes its files whole or not at all; a half one comes of a copy that was cut short, a disk or an editor.
"""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path

from lookalike.core.errors import LookalikeError
from lookalike.core.record_types import Record


def read_object(path: Path) -> Record:
    """A JSON file that holds an object.

    Raises:
        LookalikeError: it cannot be read, or is something else; says what to do.
    """
    text = _text(path)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise LookalikeError(damage(path, f"no JSON from {where} on")) from error
    except (ValueError, RecursionError) as error:
        raise LookalikeError(damage(path, str(error))) from error
    if not isinstance(value, dict):
        raise LookalikeError(damage(path, "its JSON is no object"))
    return value


def read_toml(path: Path) -> Record:
    """The table of a TOML file.

    Raises:
        LookalikeError: it cannot be read, or is something else; says what to do.
    """
    text = _text(path)
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise LookalikeError(damage(path, str(error))) from error


def _text(path: Path) -> str:
    """The text of a file that is not empty, nor anything but text."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LookalikeError(f"cannot read {path}: {error.strerror or error}") from error
    if not data.strip(b"\0 \t\r\n"):  # zeros are what a machine leaves of a file that it did not get to write
        raise LookalikeError(damage(path, "it is empty"))
    if b"\0" in data:
        raise LookalikeError(damage(path, "it is no text"))
    return data.decode("utf-8-sig", errors="surrogateescape")


def damage(path: Path, why: str) -> str:
    """A sentence on a damaged file, with the way out where one is known."""
    return f"cannot read {path}: {why}. {way_out(path)}".rstrip()


def way_out(path: Path) -> str:
    """What to do about a damaged file of a run folder, in a sentence; empty where that is not known."""
    run = path.parent.parent if path.parent.name == "snapshots" else path.parent
    place = shlex.quote(str(run))
    if path.parent.name == "snapshots":
        return f"Remove the folder {path.parent}: everything but the films on the page works without it."
    if path.name == "config.toml":
        return _mend_settings(run)
    if path.name == "run.json":
        config = shlex.quote(str(run / "config.toml"))
        if (run / "checkpoints" / "last.pt").is_file():
            return f"Remove it: lookalike train --config {config} writes it anew and goes on from the last checkpoint."
        return f"Remove it: lookalike train --config {config} writes it anew, and trains again."
    made_by = {
        "evaluation.json": f"lookalike evaluate {place} writes it anew",
        "clusters.json": f"lookalike cluster {place} writes it anew",
        "index.csv": f"lookalike embed {place} writes it anew",
        "embeddings.npy": f"lookalike embed {place} writes it anew",
    }.get(path.name)
    return f"Remove it: {made_by}." if made_by else ""


def is_of_a_run(config: Path) -> bool:
    """Whether a configuration file is that of a run folder, rather than one that somebody wrote."""
    return config.name == "config.toml" and any(
        (config.parent / name).is_file() for name in ("run.json", "metrics.jsonl")
    )


def _mend_settings(run: Path) -> str:
    """config.toml cannot be made from anything else but by the command that made it."""
    remedy = "Mend it in an editor, or put a copy of it in its place"
    try:
        command = read_object(run / "run.json").get("command")
    except LookalikeError:
        command = None
    if isinstance(command, str) and command.startswith("lookalike "):
        remedy += f"; the run was made by: {command}"
    weights = run / "encoder.safetensors"
    if weights.is_file():
        remedy += f". What was learned is whole, and can be gone on with: --init {shlex.quote(str(weights))}"
    return f"{remedy}."
