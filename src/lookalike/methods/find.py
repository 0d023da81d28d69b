"""From the name of a method to its class: those of the package, those that other packages bring, and a user's own.

A name is that of a module of this package (`simclr`), one that an installed package has registered under the entry
point group `lookalike.methods`, a file and a class in it (`mine.py:BYOL`), or a module that Python can import
(`python:package.module:BYOL`). Where a file or module has one method only its class need not be named.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from lookalike.core import own_code
from lookalike.core.errors import LookalikeError, did_you_mean
from lookalike.core.method_facts import METHOD_GROUP, built_in_methods
from lookalike.methods.base import Method
from lookalike.methods.declared import class_problems

_OURS = "lookalike.methods."


def method_names(with_labels: bool | None = None) -> list[str]:
    """The names of the methods of this package: all, or those that learn with labels or without."""
    wanted = (True, False) if with_labels is None else (with_labels,)
    return sorted(facts.name for facts in built_in_methods().values() if facts.needs_labels in wanted)


def name_of(kind: type[Method]) -> str:
    """The name that finds a class again; one that is defined within a function is found by this process alone."""
    ours = kind.__module__.startswith(_OURS)
    return kind.__module__.removeprefix(_OURS).replace("_", "-") if ours else own_code.name_of(kind)


def identity(kind: type[Method]) -> str:
    """What a checkpoint says of the class that it belongs to: of the user's own, its name, wherever its file lies."""
    return kind.__module__ if kind.__module__.startswith(_OURS) else kind.__qualname__


def find_method(name: str | type[Method], folders: Sequence[str | Path] = ()) -> type[Method]:
    """The class of a method; a class is itself.

    Args:
        name: as above, or a subclass of `Method`.
        folders: where a file is looked for beside the working folder.

    Raises:
        LookalikeError: there is none of this name, or it is no method; for code of the user with file and line.
    """
    if not isinstance(name, str):
        return _checked(name)
    facts = built_in_methods().get(name)
    if facts is not None:
        return _checked(getattr(importlib.import_module(_OURS + name.replace("-", "_")), facts.class_name))
    if own_code.is_own(name):
        return _checked(own_code.find(name, folders, methods_of))
    for point in entry_points(group=METHOD_GROUP, name=name):
        return _checked(point.load())
    raise LookalikeError(f"unknown method {name!r}: {did_you_mean(name, method_names())}")


def elsewhere(name: str, kind: type[Method]) -> dict[str, object]:
    """What run.json says of a method that is none of this package's, for those who read a run without its code."""
    return {} if name in built_in_methods() else {"method_title": kind.title, "with_labels": kind.needs_labels}


def methods_of(module: ModuleType) -> list[type[Method]]:
    """The methods that a module defines, abstract ones left out."""
    kinds = (kind for kind in vars(module).values() if inspect.isclass(kind) and issubclass(kind, Method))
    return [kind for kind in kinds if kind.__module__ == module.__name__ and not inspect.isabstract(kind)]


def _checked(kind: object) -> type[Method]:
    """
    Raises:
        OwnCodeError: it is no subclass of `Method`, lacks what every method has, or has options, presets or views that
            cannot be.
    """
    if not inspect.isclass(kind):
        raise own_code.wrong(kind, f"{getattr(kind, '__name__', kind)!r} is no class, let alone a method")
    if not issubclass(kind, Method):
        raise own_code.wrong(kind, f"{kind.__name__} is no method: it must be a subclass of lookalike.methods.Method")
    if inspect.isabstract(kind):
        missing = " and no ".join(sorted(kind.__abstractmethods__))
        raise own_code.wrong(kind, f"{kind.__name__} has no {missing}, which every method has")
    for place, words in class_problems(kind):
        raise own_code.wrong(place, words)
    return kind
