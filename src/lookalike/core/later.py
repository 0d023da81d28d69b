"""Names of a package whose modules are imported when somebody asks for them, as some take seconds."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

from lookalike.core.process import generator_kept


def later(package: str, where: Mapping[str, str], here: Mapping[str, object]) -> tuple[Callable, Callable]:
    """The functions `__getattr__` and `__dir__` of a package.

    Args:
        package: its `__name__`.
        where: the module below the package that each name is in.
        here: its `globals()`.

    Returns:
        Both; the first raises AttributeError for names that are not in `where`.
    """

    def get(name: str) -> object:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with generator_kept():  # scikit-learn and PyTorch's compiler import rich
            return getattr(importlib.import_module(f"{package}.{where[name]}"), name)

    def names() -> list[str]:
        return sorted({*here, *where})

    return get, names
