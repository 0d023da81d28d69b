"""The docstring below each field of a dataclass: the one place that says what an option means."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap


def field_docs(kind: type[object]) -> dict[str, str]:
    """The docstring below each field of a dataclass and of those it inherits from, on one line."""
    docs: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
                docs[field.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    return docs
