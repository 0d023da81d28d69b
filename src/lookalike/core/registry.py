"""Folders are the registry: a module in a room's folder is found by its name, with no list to edit."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from lookalike.core.errors import LookalikeError, did_you_mean

_SHARED = {
    "base",
    "heads",
    "layers",
    "weights",
    "download",
    "listing",
    "canvas",
    "store",
    "store_build",
    "store_format",
    "survey",
    "decode",
    "health",
    "fly",
    "kinds",
    "own_output",
    "metadata",
    "recipes",
    "grouping",
    "projector",
    "feature_maps",
    "networks",
    "pictures",
    "staging",
    "card",
}


def names(room: str) -> list[str]:
    """Names of the modules in `lookalike.<room>`, dashes for underscores; imports the room only."""
    package = importlib.import_module(f"lookalike.{room}")
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name.replace("_", "-") for name in found if name not in _SHARED and name[0] != "_")


def find(room: str, name: str, what: str) -> ModuleType:
    """The module called `name` in a room.

    Raises:
        LookalikeError: there is none; the nearest name is offered.
    """
    if name not in names(room):
        raise LookalikeError(f"unknown {what} {name!r}: {did_you_mean(name, names(room))}")
    return importlib.import_module(f"lookalike.{room}.{name.replace('-', '_')}")
