"""What somebody may have meant who named a place that is not there: one sentence with the likely path or command."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import shlex
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from lookalike.core.options import TrainOptions, flag

_MOST = 2_000  # names that are compared, and folders that are looked into
_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_ADDRESS = re.compile(r"^([a-z][a-z0-9+.]+)://(.*)$", re.IGNORECASE)
_HUB = re.compile(r"^(?:www\.)?huggingface\.co/datasets/([^?#]+?)(?:/(?:tree|viewer|blob)/.*)?/?$")
_DRIVE = re.compile(r"^([A-Za-z]):(?P<rest>.*)$", re.DOTALL)
RUN_FILES = ("config.toml", "run.json")
"""Files by which a folder is known as a run's."""


def exists(path: str | Path) -> bool:
    """Whether something is at a path; a name that no system could have is not there."""
    try:
        return bool(str(path)) and Path(path).exists()
    except (OSError, ValueError, RuntimeError):
        return False


def meant(place: str) -> str:
    """A sentence on a place of images that is not there; empty where nothing is likely."""
    if not place.strip():
        return "the name is empty: a variable that is not set?"
    asked = option(place)
    as_option = f"did you mean the option {asked}, with two hyphens?" if asked else ""
    surely = as_option if place.strip(_QUOTES)[:1] in _DASHES or "=" in place else ""
    return _address(place) or _windows(place) or surely or _path(place) or as_option


def split_by_shell(words: Sequence[str]) -> str:
    """A sentence where the words are parts of one name with blanks that the shell has split; else empty."""
    for start in range(len(words)):
        if exists(words[start]):
            continue
        for end in range(len(words), start + 1, -1):
            name = " ".join(words[start:end])
            candidate = name if exists(name) else str(near(Path(name)))
            if _plain(candidate) == _plain(name):
                return f"did you mean {shlex.quote(candidate)}? A name with blanks goes into quotes"
    return ""


def near(path: Path) -> Path | None:
    """The existing path that is most like this one; any part of it may be misspelt."""
    base, parts = Path(path.anchor or "."), path.parts[1 if path.anchor else 0 :]
    for part in parts:
        if part == ".." or exists(base / part):
            base = base / part
            continue
        name = _most_like(part, _names(base))
        if name is None:
            return None
        base = base / name
    return base if exists(base) else None


def meant_run(path: Path) -> str:
    """A sentence on a path that is no run folder; empty where nothing is likely."""
    if path.is_file() and is_run(path.parent):
        return f"did you mean its folder, {path.parent}?"
    if path.is_dir():
        inside = sorted(filter(is_run, _folders(path)), key=lambda run: -(run / RUN_FILES[1]).stat().st_mtime)
        if inside:
            return f"it holds runs, of which the newest is {inside[0]}"
        trained = [
            run for run in _folders(Path("runs")) if is_run(run) and run.name.endswith(f"-{path.resolve().name}")
        ]
        return f"did you mean {trained[0]}, which was trained on it? RUN is what a training has made" if trained else ""
    for place in (path.parent, Path("runs") / path.parent if not path.is_absolute() else path.parent):
        runs = {run.name: run for run in _folders(place) if is_run(run)}
        name = _most_like(path.name, runs)
        if name is not None:
            return f"did you mean {runs[name]}?"
    return ""


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run."""
    return all((folder / name).is_file() for name in RUN_FILES)


def _address(place: str) -> str:
    matched = _ADDRESS.match(place)
    if matched is None:
        return ""
    kind, rest = matched[1].lower(), matched[2]
    if kind == "file":
        return f"write the path alone: {shlex.quote('/' + rest.lstrip('/'))}"
    hub = _HUB.match(rest)
    if hub is not None:
        return f"a data set of the Hugging Face hub is named hf:{hub[1]}"
    if kind == "s3":
        return "images are read from the disk: fetch them first, as with aws s3 sync, and name the folder"
    return "images are read from the disk: fetch them first, and name the folder or the archive"


def _windows(place: str) -> str:
    if place.startswith("\\\\"):
        return "this is a path of a Windows network: name the folder where it is mounted here"
    matched = _DRIVE.match(place)
    if matched is None:
        return ""
    drive, rest = matched[1].lower(), matched["rest"]
    if not rest.startswith(("\\", "/")):
        words = "a path of Windows whose backslashes the shell has taken? Put it into quotes"
        return f"{words}; in WSL it is /mnt/{drive}/..."
    here = f"/mnt/{drive}{rest.replace(chr(92), '/').rstrip('/')}"
    candidate = Path(here) if exists(here) else near(Path(here)) if exists(f"/mnt/{drive}") else None
    if candidate is not None:
        return f"did you mean {shlex.quote(str(candidate))}?"
    return f"this is a path of Windows: in WSL it is {shlex.quote(here)}, elsewhere name where the folder is mounted"


def option(place: str) -> str:
    """The option of a training that a word names, with or without hyphens, as it is written; empty for others."""
    bare = place.strip(_QUOTES)
    name, equals, value = bare.lstrip(_DASHES).partition("=")
    flags = {flag(field.name) for field in dataclasses.fields(TrainOptions)} - {"--data"}
    wanted = f"--{name.lower().replace('_', '-')}"
    return f"{wanted}{equals}{value}" if wanted in flags else ""


def _path(place: str) -> str:
    for other in _respelt(place):
        if other != place and exists(other):
            return f"did you mean {shlex.quote(other)}?"
    path = Path(place.strip(_QUOTES + " ").replace("\\", "/"))
    candidate = near(path) or _elsewhere(path)
    return f"did you mean {shlex.quote(str(candidate))}?" if candidate is not None else ""


def _respelt(place: str) -> Iterable[str]:
    """The same with quotes, blanks, backslashes, ~ and slashes as they were probably meant."""
    bare = place.strip(_QUOTES + " \t\r\n")
    for text in dict.fromkeys((bare, bare.replace("\\ ", " "), bare.rstrip("\\"), bare.replace("\\", "/"))):
        yield text.rstrip("/") or text
        if text.startswith("~"):
            yield os.path.expanduser(text)  # noqa: PTH111  # it leaves an unknown user as it is
        if "$" in text:
            yield os.path.expandvars(text)
        yield f"/{text}"
        yield text.lstrip("/")


def _elsewhere(path: Path) -> Path | None:
    """A file or folder of the very name, in a folder where people have their data."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  # without a home it stays what it is
    around = [Path("data"), Path("images"), Path(".."), home, home / "Pictures", home / "Downloads", home / "data"]
    for folder in (*around, *_folders(Path())):
        if exists(folder / path) and path.parts:
            return folder / path
    return None


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in islice(os.scandir(folder), _MOST)]
    except OSError:
        return []


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, but hidden ones."""
    return [folder / name for name in sorted(_names(folder)) if name[0] != "." and (folder / name).is_dir()]


def _most_like(name: str, names: Iterable[str]) -> str | None:
    """The name that is most like this one, capitals, blanks and signs between words apart."""
    plain: dict[str, str] = {}
    for other in names:
        plain.setdefault(_plain(other), other)
    matches = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.6)
    return plain[matches[0]] if matches else None


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.casefold())
