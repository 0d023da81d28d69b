"""Names of a package whose modules are imported at their first use: some imports take seconds."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

from lookalike.core.process import generator_kept


def lazy_import(package: str, modules: Mapping[str, str], namespace: Mapping[str, object]) -> tuple[Callable, Callable]:
    """The functions `__getattr__` and `__dir__` of a package with lazy imports.

    Args:
        package: its `__name__`.
        modules: name -> module below the package that defines it.
        namespace: the `globals()` of the package.

    Returns:
        Both; the first raises AttributeError for names that are not in `modules`.
    """

    def get(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with generator_kept():  # scikit-learn and PyTorch's compiler import rich
            return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    def names() -> list[str]:
        return sorted({*namespace, *modules})

    return get, names
