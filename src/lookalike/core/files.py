"""Files that are either whole or absent: written beside their place, then renamed into it."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from lookalike.core.errors import LookalikeError, MachineError


@contextmanager
def machine_faults(action: str, path: Path) -> Iterator[None]:
    """Turn an OSError (disk full, no permission) into a MachineError that names action and place."""
    try:
        yield
    except OSError as error:
        raise MachineError(
            f"cannot {action} {path}: {error.strerror or error}. What was there before is untouched; "
            "free some space or choose another place (--out, where the command has it), "
            "then run the same command again."
        ) from error


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file, flush it to the disk, and rename it to `path`.

    Killed at any moment, `path` holds either the old content or the new. On failure the temporary
    file is removed.

    Raises:
        MachineError: the disk is full or the place cannot be written.
    """
    with machine_faults("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically; undecodable bytes of file names go out as they came in."""
    write_atomically(path, lambda file: file.write(text.encode(errors="surrogateescape")))


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """Write JSON atomically, indented where it is for reading."""
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; a broken one is named."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise LookalikeError(f"cannot read {path}: {error}") from error


def write_toml(path: Path, table: dict[str, Any], head: str = "") -> None:
    """Write a flat table of strings, numbers and booleans as TOML; None is left out, as TOML has none."""
    lines = [f"# {line}" for line in head.splitlines()]
    lines += [f"{key} = {_toml_value(value)}" for key, value in table.items() if value is not None]
    write_text(path, "\n".join(lines) + "\n")


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(v) for v in value) + "]"
    # A JSON string is a TOML basic string, except that TOML wants DEL escaped.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV file (RFC 4180 quoting, UTF-8), written atomically."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows(rows)
    write_text(path, text.getvalue())
