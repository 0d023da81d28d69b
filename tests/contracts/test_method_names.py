"""No module outside of `methods/` names a method: what others know of one stands on its class."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import lookalike
from lookalike.augment.recipes import augmentation_names
from lookalike.core.method_facts import MethodFacts, built_in_methods, in_the_demo, is_method
from lookalike.core.registry import names
from lookalike.methods.find import find_method, method_names, name_of

ROOT = Path(lookalike.__file__).parent
WORDS = {word for facts in built_in_methods().values() for word in (facts.name, facts.class_name, facts.title)}
NAMED = re.compile("|".join(rf"(?<![\w-]){re.escape(word)}(?![\w-])" for word in sorted(WORDS, key=len, reverse=True)))
OUTSIDE = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT / "methods")


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Lines and texts of a module that are no docstrings: these may explain where something comes from."""
    explained = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in explained:
            yield node.lineno, node.value


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_outside_names_a_method(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    views = re.compile("|".join(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in augmentation_names()))
    named = [f"line {line}: {text!r}" for line, text in texts(tree) if NAMED.search(views.sub("", text))]
    modules = {f"lookalike.methods.{name.replace('-', '_')}" for name in built_in_methods()}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (
            node.module in modules or {f"{node.module}.{alias.name}" for alias in node.names} & modules
        ):
            named.append(f"line {node.lineno}: an import")
    assert named == []


@pytest.mark.parametrize("name", sorted(built_in_methods()))
def test_what_is_read_from_a_file_is_what_its_class_says(name: str):
    facts, kind = built_in_methods()[name], find_method(name)
    assert kind.__name__ == facts.class_name
    for field in fields(MethodFacts)[2:]:
        assert getattr(kind, field.name) == getattr(facts, field.name), field.name
    assert name_of(kind) == name
    assert is_method(name)


def test_methods_are_found_with_no_list():
    assert {"simclr", "deepcluster", "deepcluster-v2", "supervised"} <= set(names("methods")) == set(method_names())
    assert "supervised" not in method_names(with_labels=False) and method_names(with_labels=True) == ["supervised"]
    assert not {"base", "find", "momentum", "projector"} & set(names("methods"))


def test_the_demonstration_is_what_it_was():
    assert in_the_demo() == {"simclr": "SimCLR", "deepcluster": "DeepCluster", "deepcluster-v2": "DeepCluster-v2"}
