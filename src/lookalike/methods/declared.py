"""What the class of a method says of itself, looked at before images are read: its options, its presets, its views."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Literal

from lookalike.core.errors import did_you_mean
from lookalike.core.option_types import mistyped
from lookalike.core.options import TrainOptions, flag
from lookalike.methods.base import Method, View

_PLAIN = (bool, int, float, str)


def class_problems(kind: type[Method]) -> Iterator[tuple[object, str]]:
    """What is wrong with a class of a method, each with the class that it stands in."""
    options = kind.Options
    wrong_views = [view for view in kind.views if not isinstance(view, View)]
    if wrong_views:
        yield kind, f'{kind.__name__}.views has {wrong_views[0]!r}: each must be a View, such as View("simclr-small")'
    if not (isinstance(options, type) and issubclass(options, TrainOptions)):
        remedy = "with @dataclass(kw_only=True), inherit lookalike.core.options.TrainOptions"
        yield options if isinstance(options, type) else kind, f"the class Options of {kind.__name__} must, {remedy}"
        return
    problems = list(_option_problems(options))
    yield from ((options, f"{kind.__name__}.Options: {words}") for words in problems)
    names = [f.name for f in dataclasses.fields(options)]
    for preset, values in kind.presets.items():
        where = f"{kind.__name__}.presets[{preset!r}]"
        if not isinstance(values, Mapping):
            yield kind, f"{where} is {values!r}: it must be a dict of options, such as presets = {{'*': {{'lr': 0.1}}}}"
            continue
        for name in values:
            if name not in names:
                yield kind, f"{where} has {name!r}: {did_you_mean(name, names)}"
        for name, words in mistyped(values, options) if not problems else ():
            yield kind, f"{where} has {name} = {values[name]!r}: it must be {words}"


def _option_problems(options: type[TrainOptions]) -> Iterator[str]:
    missing = [name for name in inspect.get_annotations(options) if name not in _field_names(options)]
    if missing:
        yield f"{missing[0]} is no option yet: put @dataclass(kw_only=True) above the class"
    try:
        hints = typing.get_type_hints(options)
    except NameError as error:
        yield f"the type of an option cannot be read ({error})"
        return
    common = typing.get_type_hints(TrainOptions)
    for f in dataclasses.fields(options):
        hint = hints[f.name]
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            yield f"{f.name} has no default, which every option has"
        if not _can_be_stored(hint):
            yield (
                f"{f.name} is a {_words(hint)}: an option must be a bool, int, float, str, a Literal of texts or "
                "tuple[str, ...], each with None or without"
            )
        elif f.name in common and _kinds(hint).isdisjoint(_kinds(common[f.name])):
            yield f"{flag(f.name)} is an option of every method, and {_words(common[f.name])} there"


def _field_names(options: type[TrainOptions]) -> list[str]:
    return [f.name for f in dataclasses.fields(options)]


def _parts(hint: object) -> tuple[object, ...]:
    """The types of a union without None; any other type is one."""
    parts = typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
    return tuple(part for part in parts if part is not type(None))


def _kinds(hint: object) -> set[object]:
    """The types of values: `str` for a Literal of texts."""
    return {str if typing.get_origin(part) is Literal else part for part in _parts(hint)}


def _can_be_stored(hint: object) -> bool:
    """Whether a flag and config.toml can hold a value of this type and give it back."""
    parts = [part for part in _parts(hint) if part != tuple[str, ...]]
    texts = all(isinstance(word, str) for part in parts if _is_literal(part) for word in typing.get_args(part))
    one_kind = len(parts) == 1 and (parts[0] in _PLAIN or _is_literal(parts[0]))
    return texts and (one_kind or not parts) and (len(_parts(hint)) == len(parts) or parts in ([], [str]))


def _is_literal(hint: object) -> bool:
    return typing.get_origin(hint) is Literal


def _words(hint: object) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
