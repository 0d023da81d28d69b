"""The values of a run, and where each came from: a default, a preset, the command line, the images, and so on."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from lookalike.core.options import TrainOptions, changed_options, flag

O = TypeVar("O", bound=TrainOptions)  # noqa: E741  # O as in options

DEFAULT = "default"
PYTHON = "python"
COMMAND_LINE = "command line"
"""Sources of values, beside those that a phase names itself."""


def config_file(path: object) -> str:
    """The source of what stands in a configuration file."""
    return f"config file {path}"


@dataclass(frozen=True)
class Layer:
    """Values from one source, of which a lower layer's give way to a higher one's."""

    source: str
    values: Mapping[str, object]


@dataclass(frozen=True)
class Config(Generic[O]):
    """The options of a method, each with its source. Frozen: who decides more makes a new one (`settled`)."""

    method: str
    options: O
    sources: Mapping[str, str] = field(default_factory=dict)
    """Option -> source; what is left out is the default of the method's `Options`."""

    @classmethod
    def asked(cls, method: str, options: O, sources: Mapping[str, str] | Collection[str] | None = None) -> Config[O]:
        """What a person asks for.

        Args:
            method: the name of the method.
            options: the options of the method.
            sources: names of the options that a person has set, with their sources or without. Presets do not change
                these. None, as from Python: every option that differs from its default.
        """
        if isinstance(sources, Mapping):
            return cls(method, options, dict(sources))
        if sources is not None:
            return cls(method, options, dict.fromkeys(sources, PYTHON))
        fields = dataclasses.fields(options)
        return cls(
            method,
            options,
            {f.name: DEFAULT if getattr(options, f.name) == f.default else PYTHON for f in fields},
        )

    def source(self, name: str) -> str:
        """Where the value of an option came from."""
        return self.sources.get(name, DEFAULT)

    @property
    def meant(self) -> set[str]:
        """Names of the options that somebody or something set to a value of its own."""
        return {name for name, source in self.sources.items() if source != DEFAULT}

    def settled(self, source: str, **values: object) -> Config[O]:
        """The same with some values from another source; those that it has already keep theirs."""
        changed = {name: value for name, value in values.items() if getattr(self.options, name) != value}
        if not changed:
            return self
        options = changed_options(self.options, changed)
        return dataclasses.replace(self, options=options, sources={**self.sources, **dict.fromkeys(changed, source)})

    def under(self, layers: Collection[Layer], fixed: Collection[str]) -> Config[O]:
        """The same with the values of layers, of which a later one wins, for all options but the `fixed` ones."""
        free = {f.name for f in dataclasses.fields(self.options)} - set(fixed)
        values = {name: (value, x.source) for x in layers for name, value in x.values.items() if name in free}
        options = changed_options(self.options, {name: value for name, (value, _) in values.items()})
        sources = {**self.sources, **{name: source for name, (_, source) in values.items()}}
        return dataclasses.replace(self, options=options, sources=sources)

    def explained(self) -> Iterator[str]:
        """A line for each option that decides the result or was set: its flag, its value, and where that came from."""
        rows = [
            (flag(f.name), _spoken(getattr(self.options, f.name)), self.source(f.name))
            for f in dataclasses.fields(self.options)
            if f.name in self.sources or not f.metadata.get("runtime", False)
        ]
        wide, long = (max(len(row[column]) for row in rows) for column in (0, 1))
        for name, value, source in rows:
            yield f"{name:<{wide}}  {value:<{long}}  {source}".rstrip()


def _spoken(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(value) if isinstance(value, tuple) else str(value)
