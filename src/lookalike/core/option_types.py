"""Whether the values of a configuration are of the types of its options."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Literal

_WORDS: dict[object, str] = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}


def mistyped(table: Mapping[str, object], options: type) -> Iterator[tuple[str, str]]:
    """The keys whose values are of another type than the fields of a dataclass, and what these take, in words.

    Keys that are no fields are left to `options.unknown_keys`.
    """
    hints = typing.get_type_hints(options)
    for key, value in table.items():
        if key in hints and not _fits(value, hints[key]):
            yield key, " or ".join(_words(hints[key]))


def _fits(value: object, hint: object) -> bool:
    if typing.get_origin(hint) is Literal:
        return value in typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return isinstance(value, list | tuple) and all(isinstance(part, str) for part in value)
    parts = typing.get_args(hint)
    if parts:
        return any(_fits(value, part) for part in parts)
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, int | float)
    return isinstance(hint, type) and isinstance(value, hint)


def _words(hint: object) -> list[str]:
    if typing.get_origin(hint) is Literal:
        return list(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        return ["a list of texts"]
    parts = [part for part in typing.get_args(hint) if part is not NoneType]
    return [word for part in parts for word in _words(part)] if parts else [_WORDS[hint]]
