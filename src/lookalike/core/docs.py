"""The docstring below each field of a dataclass: the one place that says what an option means."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap


def field_docs(kind: type[object]) -> dict[str, str]:
    """The docstring below each field of a dataclass and of those it inherits from, on one line.

    A class that was typed into a shell or a notebook has no source, and its fields none.
    """
    docs: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        try:
            source = inspect.getsource(base)
        except (OSError, TypeError):
            continue
        body = ast.parse(textwrap.dedent(source)).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
                docs[field.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    return docs
