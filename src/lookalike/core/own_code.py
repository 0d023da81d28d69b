"""Code of the user by name: FILE.py:NAME, or python:PACKAGE.MODULE:NAME, for methods, losses and augmentations.

What is handed over in Python gets such a name too, and so stands in the configuration of a run like any other value.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from lookalike.core.errors import Interrupted, LookalikeError

T = TypeVar("T")

PYTHON = "python:"
"""Before the name of a module that Python can import."""
_things_by_name: dict[str, object] = {}  # classes and functions of this process


class OwnCodeError(LookalikeError):
    """Code of the user's own does what it must not; the message begins with its file and line."""


def is_own(name: str) -> bool:
    """Whether a word is FILE.py, FILE.py:NAME or python:MODULE:NAME."""
    return name.startswith(PYTHON) or _split(name)[0].endswith(".py")


def name_of(thing: object) -> str:
    """The name by which `find` gives a class or function again; only in this process where a function defines it."""
    for name, other in _things_by_name.items():
        if other is thing:
            return name
    module = str(getattr(thing, "__module__", None) or type(thing).__module__)
    qualified = getattr(thing, "__qualname__", None) or f"{type(thing).__qualname__}#{_digest(thing)}"
    file = getattr(sys.modules.get(module), "__file__", None)
    name = f"{Path(file).resolve()}:{qualified}" if module == "__main__" and file else f"{PYTHON}{module}:{qualified}"
    if _things_by_name.get(name, thing) is not thing and hasattr(
        thing, "__qualname__"
    ):  # two of one name, as in a notebook
        name = f"{name}@{id(thing):x}"
    _things_by_name[name] = thing
    return name


def named(values: Mapping[str, T]) -> dict[str, T | str]:
    """The same values, with names in place of functions and classes: options hold names."""
    return {key: name_of(value) if callable(value) else value for key, value in values.items()}


def find(
    name: str, folders: Sequence[str | Path] = (), one_of: Callable[[ModuleType], Sequence[type]] | None = None
) -> Any:
    """The class or function of a name.

    Args:
        name: FILE.py, FILE.py:NAME or python:MODULE:NAME.
        folders: folders beside the working folder in which the file may be.
        one_of: the candidates of a module, for names without NAME.

    Raises:
        LookalikeError: there is no such file, module or name.
        OwnCodeError: the file cannot be imported; the message names the line.
    """
    place, wanted = _split(name.removeprefix(PYTHON))
    path = None if name.startswith(PYTHON) else _file(place, folders)
    if name in _things_by_name and path is None:
        return _things_by_name[name]
    module = _imported(place) if name.startswith(PYTHON) else _loaded(place, path, folders)
    offered = [] if one_of is None else one_of(module)
    offers = ", ".join(thing.__name__ for thing in offered)
    where = getattr(module, "__file__", None) or f"the module {module.__name__}"  # a notebook has no file
    thing: object = module
    if not wanted:
        if len(offered) != 1:
            hint = f": name one of them, {name}:{offered[0].__name__}" if offered else f": name it, {name}:NAME"
            raise LookalikeError(f"{where} has {offers or 'nothing that could be meant'}{hint}")
        thing = offered[0]
    else:
        for part in wanted.split("."):
            thing = getattr(thing, part, None)
        if thing is None:
            raise LookalikeError(f"{where} has no {wanted!r}{': it has ' + offers if offers else ''}")
    _things_by_name[name] = thing
    return thing


def place_of(thing: object) -> str:
    """File and line where a function or class begins, such as `mine.py:12`; empty where nobody knows."""
    code = getattr(thing, "__code__", None)
    if code is not None:
        return f"{code.co_filename}:{code.co_firstlineno}"
    if not isinstance(thing, type | ModuleType):
        return ""
    try:
        return f"{inspect.getsourcefile(thing)}:{inspect.getsourcelines(thing)[1]}"
    except (OSError, TypeError):  # typed into a shell, or written in C
        return ""


def wrong(thing: object, words: str) -> OwnCodeError:
    """An error about a function or class, with its place before the words."""
    place = place_of(thing)
    return OwnCodeError(f"{place}: {words}" if place else words)


def _digest(thing: object) -> str:
    """Of an object, what it says of itself, such as the parameters of a transform."""
    return hashlib.sha256(repr(thing).encode(errors="surrogateescape")).hexdigest()[:8]


def _split(name: str) -> tuple[str, str]:
    """File or module, and what is wanted of it."""
    if name.endswith(".py") or ":" not in name:
        return name, ""
    place, _, wanted = name.rpartition(":")
    return place, wanted


def _places(file: str, folders: Sequence[str | Path]) -> list[Path]:
    return [Path(file).expanduser(), *(Path(folder) / file for folder in folders)]


def _file(file: str, folders: Sequence[str | Path]) -> Path | None:
    return next((place.resolve() for place in _places(file, folders) if place.is_file()), None)


def _loaded(file: str, path: Path | None, folders: Sequence[str | Path]) -> ModuleType:
    """The module in a file, which may import its neighbours; loaded once as long as it does not change."""
    if path is None:
        tried = ", ".join(dict.fromkeys(str(place.absolute()) for place in _places(file, folders)))
        raise LookalikeError(f"there is no file {tried}: name one that is there, FILE.py:NAME")
    key = f"{path}\0{path.stat().st_mtime_ns}".encode(errors="surrogateescape")
    name = f"lookalike_own_{path.stem}_{hashlib.sha256(key).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and pickle look for it
    sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]  # half of it is no module
        if _stops(error):
            raise
        raise OwnCodeError(_why(error, str(path))) from error
    finally:
        sys.path.remove(str(path.parent))
    return module


def _imported(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        if _stops(error):
            raise
        absent = error.name if isinstance(error, ModuleNotFoundError) else None
        if absent is not None and (module == absent or module.startswith(f"{absent}.")):
            hint = f"{PYTHON}MODULE:NAME takes one that can be imported"
            raise LookalikeError(f"Python finds no module {absent!r}: {hint}") from error
        raise OwnCodeError(_why(error, module)) from error


def _stops(error: BaseException) -> bool:
    """Whether somebody wants the program to end: not a script that ends itself where it should be a module."""
    return isinstance(error, Interrupted) or not isinstance(error, Exception | SystemExit)


def _why(error: BaseException, file: str) -> str:
    """What an import failed with, after the last line of the user's own code that it came from."""
    if isinstance(error, SyntaxError):
        reason = f"{type(error).__name__}: {error.msg}"
        return f"{error.filename or file}:{error.lineno}: {file} cannot be imported ({reason})"
    reason = f"{type(error).__name__}: {(str(error) or 'no words').splitlines()[0]}"
    frames = traceback.extract_tb(error.__traceback__)
    user_frames = [frame for frame in frames if frame.filename == file]
    user_frames = user_frames or [
        frame for frame in frames if "importlib" not in frame.filename and "own_code" not in frame.filename
    ]
    place = f"{user_frames[-1].filename}:{user_frames[-1].lineno}: " if user_frames else ""
    return f"{place}{file} cannot be imported ({reason})"
