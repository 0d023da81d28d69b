"""Fetching well-known files: resumed where it broke off, checked before anything uses them."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lookalike.core.errors import LookalikeError
from lookalike.core.files import machine_faults, move_file
from lookalike.core.progress import phase

_TIMEOUT_S = 30
_BLOCK = 1 << 20


def fetch(urls: Sequence[str], path: Path, md5: str) -> None:
    """Bring a file to `path` from the first of `urls` that serves it, if it is not there and whole.

    What has arrived is kept in `path`.part, so a broken download goes on where it stopped. The file
    gets its name only once its MD5 is right.

    Raises:
        LookalikeError: no address served the file, or what came has another checksum.
    """
    if path.exists() and checksum(path) == md5:
        return
    part = path.with_name(path.name + ".part")
    failures = []
    for url in urls:
        try:
            with machine_faults("write", part):
                path.parent.mkdir(parents=True, exist_ok=True)
                _transfer(url, part)
        except _NotServedError as error:
            failures.append(f"{url}: {error}")
            continue
        md5_of_part = checksum(part)
        if md5_of_part == md5:
            move_file(part, path)
            return
        part.unlink()
        failures.append(f"{url}: checksum {md5_of_part}, expected {md5}; the wrong file was removed")
    raise LookalikeError(
        f"could not download {path.name}:\n" + "\n".join(f"  - {f}" for f in failures) + "\n"
        f"Run the same command again to go on, or put the file into {path.parent} by hand."
    )


class _NotServedError(Exception):
    """The network's fault; an OSError that is not one of these is the disk's."""


@contextmanager
def _network() -> Iterator[None]:
    try:
        yield
    except urllib.error.HTTPError as error:
        with error:
            raise _NotServedError(str(error)) from None
    except (OSError, http.client.HTTPException) as error:
        raise _NotServedError(str(getattr(error, "reason", error)) or type(error).__name__) from error


def _transfer(url: str, part: Path) -> None:
    """Append what is missing of `url` to `part`."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with _network():
        try:
            response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
        except urllib.error.HTTPError as error:
            if error.code == 416 and have:  # nothing is missing: all of it arrived before
                error.close()
                return
            raise
    with response:
        resumed = response.status == 206
        expected = response.headers.get("Content-Length")
        bytes_in_all = None if expected is None else int(expected)
        with open(part, "ab" if resumed else "wb") as file, phase(f"downloading {part.stem}", bytes_in_all) as p:
            while True:
                with _network():
                    block = response.read(_BLOCK)
                if not block:
                    break
                file.write(block)
                p.step(len(block))
        if bytes_in_all is not None and p.done < bytes_in_all:
            raise _NotServedError(f"broke off after {p.done} of {expected} bytes")


def checksum(path: Path) -> str:
    """MD5 of a file, as the data sets' authors publish it (a check of wholeness, not of trust)."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
