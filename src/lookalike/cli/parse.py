"""From words on the command line to a dataclass, with every mistake reported at once.

argparse splits the words and prints the help; values are converted here by the fields' types, so that
no mistake hides another. Keys of a TOML file pass through the same conversion, and flags win over them.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import tomllib
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from lookalike.core.config import COMMAND_LINE, config_file
from lookalike.core.damaged import is_of_a_run, way_out
from lookalike.core.docs import field_docs
from lookalike.core.errors import LookalikeError, did_you_mean
from lookalike.core.home import expand_user
from lookalike.core.nearby import exists
from lookalike.core.options import RENAMED, built, current_name, flag, raise_problems, unknown_keys
from lookalike.core.record_types import Record

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
_NEGATIVE = re.compile(r"-[0-9.]")  # a number below 0, with or without a unit
_CURRENT_FLAGS = {flag(old): flag(new) for old, new in RENAMED.items()}
_NO_VALUE = "\0"  # stands for the value of a flag that was given none; no word can be it


@dataclasses.dataclass(frozen=True)
class Parsed(Generic[T]):
    """Options, and where those came from that were said: the command line, or a file (`core/config.py`)."""

    options: T
    sources: Mapping[str, str]


def parse(
    kind: type[T],
    words: Sequence[str],
    program: str,
    positional: Sequence[str] = (),
    config: Path | None = None,
    check: Callable[[T], Iterator[str]] | None = None,
    beside: Sequence[str] = (),
    moved: Callable[[dict[str, object]], dict[str, object]] = dict,
) -> Parsed[T]:
    """Options of `kind` from words.

    Args:
        kind: a dataclass whose fields have defaults and docstrings; a field that may be a tuple takes many words.
        words: the command line after the program's name.
        program: for the usage line.
        positional: fields given without a flag, in order.
        config: a TOML file of options; flags win over it.
        check: yields what is wrong with the values, reported beside what is wrong with the words.
        beside: keys of the file that are no options of this dataclass and are left to the caller.
        moved: makes of the values of the file what they are from here.

    Raises:
        ConfigurationError: all mistakes at once.
        SystemExit: help was asked for and printed (status 0).
    """
    problems: list[str] = []
    raw_values: dict[str, object] = moved(_file_values(kind, config, beside, problems)) if config is not None else {}
    sources = dict.fromkeys(raw_values, config_file(config))
    parser = _parser(kind, program, positional)
    parsed, unknown = parser.parse_known_args(_with_values(kind, [_current_flag(word) for word in words]))
    from_words = {name: value for name, value in vars(parsed).items() if value is not None and value != []}
    raw_values, sources = raw_values | from_words, sources | dict.fromkeys(from_words, COMMAND_LINE)
    valid = [flag(f.name) for f in dataclasses.fields(kind) if f.name not in positional]
    bare = {flag(name): name.upper() for name in positional}
    many = next((name for name in positional if _takes_many(typing.get_type_hints(kind)[name])), None)
    after_unknown = False
    for word in unknown:
        without = bare.get(word.partition("=")[0], "")
        if without:
            usage = " ".join((program, *bare.values()))
            problems.append(f"{word} is no option: {without} stands without one, as in {usage}")
        elif word.startswith("-"):
            problems.append(f"unknown option {word}: {did_you_mean(word.split('=')[0], valid)}")
        elif not after_unknown and many is not None:  # argparse takes those before the first flag only
            raw_values[many], sources[many] = [*_as_list(raw_values.get(many, ())), word], COMMAND_LINE
        elif not after_unknown:  # else it is the value of the unknown option
            problems.append(f"unexpected word {word!r}; {parser.format_usage().strip()}")
        after_unknown = word.startswith("-") and "=" not in word
    hints = typing.get_type_hints(kind)
    values: dict[str, object] = {}
    for name, raw in raw_values.items():
        try:
            values[name] = _convert(raw, hints[name])
        except ValueError as error:
            problems.append(f"{flag(name)} {error}")
    options = built(kind, values)
    if check is not None:
        problems += check(options)
    raise_problems(problems)
    return Parsed(options, {name: sources[name] for name in values})


def _parser(kind: type[DataclassInstance], program: str, positional: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        usage=" ".join([program, *(name.upper() for name in positional), "[options]"]),
        description=inspect.cleandoc(kind.__doc__ or ""),
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    hints = typing.get_type_hints(kind)
    docs = field_docs(kind)
    for f in sorted(dataclasses.fields(kind), key=lambda f: f.metadata.get("last", False)):
        text = docs.get(f.name, "").replace("%", "%%")
        default = "" if f.default in (None, "", ()) else f" (default: {f.default})"
        if f.name in positional:
            many = _takes_many(hints[f.name])
            parser.add_argument(f.name, nargs="*" if many else "?", metavar=f.name.upper(), help=text + default)
        elif hints[f.name] is bool:
            parser.add_argument(flag(f.name), action=argparse.BooleanOptionalAction, default=None, help=text + default)
        else:
            action = "append" if _takes_many(hints[f.name]) else "store"  # a flag of many is said once for each
            parser.add_argument(flag(f.name), action=action, metavar=_type_words(hints[f.name]), help=text + default)
    return parser


def _current_flag(word: str) -> str:
    """A word with the name that its flag has today: `--preset=mnist` of `--recipe=mnist`."""
    name, equals, value = word.partition("=")
    return _CURRENT_FLAGS.get(name, name) + equals + value


def _with_values(kind: type[DataclassInstance], words: Sequence[str]) -> list[str]:
    """The words, with a mark after each flag that lacks its value, at the first of which argparse would stop, and with
    values such as -3m bound to their flags, as it takes them for options."""
    hints = typing.get_type_hints(kind)
    takes_value = {flag(f.name) for f in dataclasses.fields(kind) if hints[f.name] is not bool}
    marked: list[str] = []
    for word, following in zip(words, [*words[1:], "--"], strict=False):
        if marked and marked[-1] in takes_value and _NEGATIVE.match(word):
            marked[-1] += f"={word}"
            continue
        marked.append(word)
        if word in takes_value and following.startswith("--"):
            marked.append(_NO_VALUE)
    return marked


def _plain(hint: object) -> object:
    """The type of a value: `int` of `int | None`."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return next(part for part in typing.get_args(hint) if part is not type(None))
    return hint


def _takes_many(hint: object) -> bool:
    """Whether a field may be a tuple: `tuple[str, ...]`, or `str | tuple[str, ...]`, a text where it is one."""
    return typing.get_origin(hint) is tuple or any(typing.get_origin(part) is tuple for part in typing.get_args(hint))


def _as_list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _type_words(hint: object) -> str:
    hint = _plain(hint)
    if _takes_many(hint):
        return "TEXT"
    if typing.get_origin(hint) is Literal:
        return "{" + ",".join(typing.get_args(hint)) + "}"
    words: dict[object, str] = {int: "INTEGER", float: "NUMBER", str: "TEXT"}
    return words.get(hint, "VALUE")


def _convert(raw: object, hint: object) -> object:
    """A value of the type `hint` from a word or a TOML value.

    Raises:
        ValueError: with words that follow the name of the flag.
    """
    one_or_many = _takes_many(hint) and typing.get_origin(hint) is not tuple
    hint = _plain(hint)
    if raw is _NO_VALUE or (isinstance(raw, list) and _NO_VALUE in raw):
        raise ValueError(f"needs a value ({_type_words(hint)})")
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if raw not in choices:
            raise ValueError(f"cannot be {raw!r}: {did_you_mean(str(raw), choices)}")
        return raw
    if one_or_many:
        if not isinstance(raw, str | list | tuple) or not all(isinstance(word, str) for word in raw):
            raise ValueError(f"must be a text or a list of texts, got {raw!r}")
        words = [_at_home(word) for word in _as_list(raw)]
        return words[0] if isinstance(raw, str) or len(words) == 1 else tuple(words)
    if typing.get_origin(hint) is tuple:
        return tuple(_at_home(word) for word in _as_list(raw))
    if hint is bool and not isinstance(raw, bool):
        raise ValueError(f"must be true or false, got {raw!r}")
    if hint is int or hint is float:
        complaint = f"must be a{'n integer' if hint is int else ' number'}, got {raw!r}"
        if isinstance(raw, bool) or not isinstance(raw, str | int | float) or (hint is int and isinstance(raw, float)):
            raise ValueError(complaint)
        try:
            return int(raw) if hint is int else float(raw)
        except ValueError:
            raise ValueError(complaint) from None
    return _at_home(str(raw)) if hint is str else raw


def _at_home(word: object) -> object:
    """A word with its ~ written out, which shells leave in `--out=~/runs` and in quotes: no folder of the name ~."""
    if not isinstance(word, str) or (word != "~" and not word.startswith("~/")) or exists(word):
        return word
    return str(expand_user(word))


def _file_values(
    kind: type[DataclassInstance], path: Path, beside: Sequence[str], problems: list[str]
) -> dict[str, object]:
    """The values of a TOML file; unknown keys become problems."""
    table = {key: value for key, value in read_config(path).items() if key not in beside}
    problems += unknown_keys(table, kind, str(path))
    valid = {f.name for f in dataclasses.fields(kind)}
    named = {current_name(key.replace("-", "_")): value for key, value in table.items()}
    return {key: value for key, value in named.items() if key in valid}


def read_config(path: Path) -> Record:
    """The table of a TOML file.

    Raises:
        LookalikeError: it cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig", errors="surrogateescape"))
    except OSError as error:
        raise LookalikeError(f"cannot read --config {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        mend = f". {way_out(path)}" if is_of_a_run(path) else ""
        raise LookalikeError(f"--config {path} is no TOML: {error}{mend}") from error
