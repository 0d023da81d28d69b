"""Constructors made from the options of a method, so that a dataclass stays the only place that defines them.

scikit-learn wants every parameter named in the signature of `__init__` and stored as it came. The signature is
written here from the fields of the dataclass: an option that decides the result is None until somebody says
otherwise, and None leaves it to the preset that is chosen from the images, else to the dataclass; an option that
says where or how fast has the dataclass's own default, as no preset speaks of it.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from inspect import Parameter, Signature

from lookalike.core.docs import field_docs
from lookalike.core.errors import did_you_mean
from lookalike.core.options import TrainOptions, current_name, lasting

LEFT_OUT = frozenset({"data", "seed", "out", "report"})
"""Options that an estimator says in another way: X, random_state, out, report()."""


def defaults(options: type[TrainOptions]) -> dict[str, object]:
    """Parameters that are options, with their defaults."""
    plain = options()
    decides = lasting(plain)
    return {
        f.name: None if f.name in decides else getattr(plain, f.name)
        for f in dataclasses.fields(options)
        if f.name not in LEFT_OUT
    }


def constructor(name: str, parameters: Mapping[str, object]) -> Callable[..., None]:
    """An `__init__` of keyword parameters that stores each and does nothing else."""

    def __init__(self: object, **given: object) -> None:  # noqa: N807 - it becomes one
        given = {current_name(key): value for key, value in given.items()}
        for key in given:
            if key not in parameters:
                raise TypeError(f"{name} has no parameter {key!r}: {did_you_mean(key, parameters)}")
        for key, default in parameters.items():
            setattr(self, key, given.get(key, default))

    words = [Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)]
    words += [Parameter(key, Parameter.KEYWORD_ONLY, default=value) for key, value in parameters.items()]
    __init__.__signature__ = Signature(words)  # type: ignore[attr-defined]  # where inspect looks first
    return __init__


def in_python(text: str, renamed: Mapping[str, str]) -> str:
    """A text with its flags as parameters: `--batch-size` is `batch_size`."""

    def parameter(match: re.Match[str]) -> str:
        name = match[1].replace("-", "_")
        return renamed.get(name, name)

    return re.sub(r"--([a-z][a-z-]*)", parameter, text)


def documentation(
    text: str | None,
    parameters: Mapping[str, tuple[object, str]],
    options: type[TrainOptions],
    renamed: Mapping[str, str],
) -> str:
    """The docstring of an estimator: what it is, then every parameter in the words of its option.

    Args:
        text: the docstring as it is written in the class.
        parameters: that are no options, with default and meaning.
        options: where the others come from.
        renamed: option -> parameter, where the names differ.
    """
    plain = options()
    meanings = {name: in_python(words, renamed) for name, words in field_docs(options).items()}
    lines = [f"{name}: {words}" for name, (_, words) in parameters.items()]
    for name, default in defaults(options).items():
        usual = getattr(plain, name)
        left = f" (None: the preset's, else {usual!r})" if default is None and usual is not None else ""
        lines.append(f"{renamed.get(name, name)}: {meanings.get(name, 'an option of the method')}{left}")
    wrapped = "\n".join(textwrap.fill(x, 112, initial_indent="    ", subsequent_indent="        ") for x in lines)
    return f"{inspect.cleandoc(text or '')}\n\nParameters (all by name):\n{wrapped}\n"
