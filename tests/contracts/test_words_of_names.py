"""Names say what a thing is, and types what it may be."""

import ast
from pathlib import Path

import lookalike

ROOT = Path(lookalike.__file__).parent
MODULES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(ROOT.rglob("*.py"))}
EMPTY = {"found", "said", "told"}
"""Words that say of any value the same."""
MOST_ANY = 40


def name(node: ast.AST) -> str | None:
    """What a node calls something."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.arg | ast.keyword):
        return node.arg
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.name if isinstance(node, ast.FunctionDef | ast.ClassDef) else None


def test_no_name_is_empty():
    empty = [
        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', '')} {name(node)}"
        for path, tree in MODULES.items()
        for node in ast.walk(tree)
        if name(node) in EMPTY
    ]
    assert empty == []


def test_types_are_said():
    used = [path for path, tree in MODULES.items() for node in ast.walk(tree) if name(node) == "Any"]
    assert len(used) <= MOST_ANY
