"""Arguments of documented functions keep working under the names that they had before."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def also_called(earlier: str, name: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator: the function takes its argument `name` as the keyword `earlier` too."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            if earlier in kwargs:
                kwargs[name] = kwargs.pop(earlier)
            return function(*args, **kwargs)

        return call

    return decorate
