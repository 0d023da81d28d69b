"""The options of every command that reads images: what the messages of loading recommend, each command has."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from lookalike.core.options import sizes

LAST = {"last": True}
"""Metadata of options that the help of a command lists after its own."""


@dataclass(kw_only=True)
class LoadOptions:
    """How images are read. What is not said stays as the run was trained with, where there is a run."""

    download: bool = field(default=False, metadata=LAST)
    """Fetch mnist: or cifar10: first, where the files are not there."""
    store: bool = field(default=True, metadata=LAST)
    """Keep decoded images in a store on the disk, which the next start finds again; else they are decoded each time."""
    cache: str | None = field(default=None, metadata=LAST)
    """Folder of stores; default: the run's, else $XDG_CACHE_HOME/lookalike, or ~/.cache/lookalike."""
    store_limit: str | None = field(default=None, metadata=LAST)
    """What a store may take on the disk, such as 50GB; default: half of what is free."""
    skip_bad: bool = field(default=False, metadata=LAST)
    """Go on where more than a fifth of the images cannot be read; what was passed over is listed in skipped.csv."""

    def problems(self) -> Iterator[str]:
        """Every value that cannot be, in words."""
        yield from sizes(self, "store_limit")


LOAD_OPTIONS = tuple(f.name for f in dataclasses.fields(LoadOptions))


def said_load_options(options: LoadOptions, names: Container[str]) -> dict[str, object]:
    """The options of loading that are among `names`, with their values."""
    return {name: getattr(options, name) for name in LOAD_OPTIONS if name in names}
