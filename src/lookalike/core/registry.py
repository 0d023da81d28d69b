"""Packages are registries: a module is found by its name and by what it defines, with no list to edit.

A package says with `OFFERS` which name a module must define at its top to be one of its members: the modules of
`encoders` that define `VARIANTS` are encoders, all others help them. Where a package does not say, every module counts
whose name does not begin with an underscore.
"""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path
from types import ModuleType

from lookalike.core.errors import LookalikeError, did_you_mean
from lookalike.core.method_facts import built_in_methods


def names(package: str) -> list[str]:
    """Names of the members of `lookalike.<package>`, dashes for underscores; imports the package and no module."""
    if package == "methods":  # which are told by the class in a module
        return sorted(built_in_methods())
    home = importlib.import_module(f"lookalike.{package}")
    wanted: str | None = getattr(home, "OFFERS", None)
    members = [
        path.stem
        for folder in home.__path__
        for path in Path(folder).glob("[!_]*.py")
        if wanted is None or _defines(path, wanted, path.stat().st_mtime_ns)
    ]
    return sorted(name.replace("_", "-") for name in members)


def find(package: str, name: str, what: str) -> ModuleType:
    """The member called `name` of a package.

    Args:
        package: below `lookalike`.
        name: as `names` gives it.
        what: what a member is called in the message.

    Raises:
        LookalikeError: there is none; the nearest name is offered.
    """
    members = names(package)
    if name not in members:
        raise LookalikeError(f"unknown {what} {name!r}: {did_you_mean(name, members)}")
    return importlib.import_module(f"lookalike.{package}.{name.replace('-', '_')}")


@cache
def _defines(module: Path, name: str, changed: int) -> bool:
    """Whether a module's text, as it is since `changed`, defines a name at its top.

    The module is not imported, as some take seconds; a training asks for the same names again and again.
    """
    text = module.read_text(encoding="utf-8")
    return re.search(rf"^(?:class |def )?{re.escape(name)}\b", text, re.MULTILINE) is not None
