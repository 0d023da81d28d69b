"""What is known of the package's methods without importing them, and PyTorch with them: what stands in their files.

A method is a class with a `title` in a module of `lookalike.methods`; its name on the command line is that of the
module, with dashes. Plain values that its body assigns are read from the source, so that help, `report` and the package
itself need no list of methods.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files

from lookalike.core.own_code import is_own

METHOD_GROUP = "lookalike.methods"
"""The entry point group in which installed packages register methods."""


@dataclass(frozen=True)
class MethodFacts:
    """The facts of one method; the fields below `class_name` are class attributes of `Method`."""

    name: str
    class_name: str
    title: str
    needs_labels: bool = False
    finds_clusters: bool = False
    demo_order: int | None = None


@cache
def built_in_methods() -> dict[str, MethodFacts]:
    """Name -> facts of every method that comes with the package."""
    folder = files("lookalike") / "methods"
    facts = {}
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".py")), key=lambda f: f.name):
        name = file.name.removesuffix(".py").replace("_", "-")
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                values = _assigned(node)
                if values.get("title"):
                    facts[name] = _facts_of(name, node.name, values)
    return facts


def is_method(name: str) -> bool:
    """Whether a word names a method, without loading it: of the package, a user's own, or another package's."""
    return name in built_in_methods() or is_own(name) or bool(entry_points(group=METHOD_GROUP, name=name))


@cache
def class_names() -> tuple[str, ...]:
    """The names of their classes, which are those of the estimators as well."""
    return tuple(facts.class_name for facts in built_in_methods().values())


def title_of(name: str, elsewhere: str | None = None) -> str:
    """The name of a method as people write it; `elsewhere` is what run.json says of one that is not built in."""
    if name in built_in_methods():
        return built_in_methods()[name].title
    return elsewhere or name


def learns_from_labels(name: str, elsewhere: bool = False) -> bool:
    """Whether a method learns from labels; `elsewhere` is what run.json says of a method that is not built in."""
    if name in built_in_methods():
        return built_in_methods()[name].needs_labels
    return elsewhere


def in_the_demo() -> dict[str, str]:
    """Name -> title of the methods that the demonstration shows, in its order."""
    methods = [facts for facts in built_in_methods().values() if facts.demo_order is not None]
    return {facts.name: facts.title for facts in sorted(methods, key=lambda facts: facts.demo_order or 0)}


def _facts_of(name: str, class_name: str, values: Mapping[str, object]) -> MethodFacts:
    order = values.get("demo_order")
    return MethodFacts(
        name,
        class_name,
        title=str(values["title"]),
        needs_labels=bool(values.get("needs_labels")),
        finds_clusters=bool(values.get("finds_clusters")),
        demo_order=order if isinstance(order, int) else None,
    )


def _assigned(node: ast.ClassDef) -> dict[str, object]:
    """The constants that a class body assigns to the fields of `MethodFacts`."""
    asked = {field.name for field in fields(MethodFacts)} - {"name", "class_name"}
    return {
        target.id: statement.value.value
        for statement in node.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        for target in statement.targets
        if isinstance(target, ast.Name) and target.id in asked
    }
