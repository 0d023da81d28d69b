"""Files that are either whole or absent: written beside their place, then renamed into it.

What a file system of another kind (a share of Windows, FUSE, NFS) refuses beside the writing itself is done without.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lookalike.core.damaged import read_object
from lookalike.core.errors import MachineError
from lookalike.core.record_types import Record

_NOT_OFFERED = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What a file system says of an operation that it does not have."""
_STEM = 100  # bytes of a file's name in the name of its temporary one: names have 255 at the most


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
        part, handle = _new_file(path)
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                sync(file.fileno())
            move_file(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _new_file(path: Path) -> tuple[Path, int]:
    """A new file beside `path`, open; the umask decides who may read it, as with any file that a program writes."""
    stem = path.name.encode(errors="surrogateescape")[:_STEM].decode(errors="ignore")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        part = path.with_name(f".{stem}.{secrets.token_hex(4)}")
        with suppress(FileExistsError):
            return part, os.open(part, flags, 0o666)


def sync(file: int) -> None:
    """Flush an open file to the disk, where its file system has a way to do so."""
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise


def move_file(source: Path, target: Path) -> None:
    """Put a file in the place of another one; at once, or by a copy where its file system does not rename."""
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno not in (*_NOT_OFFERED, errno.EXDEV, errno.EEXIST):
            raise
        shutil.copyfile(source, target)
        source.unlink()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically; undecodable bytes of file names go out as they came in."""
    write_atomically(path, lambda file: file.write(text.encode(errors="surrogateescape")))


def write_json(path: Path, value: object, indent: int | None = 2) -> None:
    """Write JSON atomically, indented where it is for reading."""
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Record:
    """Read a JSON file that holds an object; of a broken one it is said what to do."""
    return read_object(path)


def write_toml(path: Path, table: Mapping[str, object], head: str = "") -> None:
    """Write a flat table of strings, numbers and booleans as TOML; None is left out, as TOML has none."""
    lines = [f"# {line}" for line in head.splitlines()]
    lines += [f"{key} = {_toml_value(value)}" for key, value in table.items() if value is not None]
    write_text(path, "\n".join(lines) + "\n")


def _toml_value(value: object) -> str:
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
