"""Imports go one way through the house (docs/design.md), and light rooms stay light."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import lookalike

ROOT = Path(lookalike.__file__).parent
BELOW = {"core"}
MIDDLE = {"data", "augment", "encoders", "objectives", "clustering", "optim"}
ALLOWED = {
    "core": set(),
    **dict.fromkeys(MIDDLE, BELOW),
    "methods": BELOW | MIDDLE,
    "evaluate": BELOW | MIDDLE,
    "report": BELOW | {"evaluate"},  # of which nothing that needs PyTorch: tests/report/test_collect.py
    "engine": BELOW | MIDDLE | {"methods", "evaluate"},
    "api": BELOW | MIDDLE | {"methods", "evaluate", "engine", "inputs"},
    "inputs": {"core", "data"},
    "shown": {"core", "report", "engine"},
    "export": BELOW | MIDDLE | {"evaluate", "engine", "api", "report"},
    "run": BELOW | MIDDLE | {"methods", "evaluate", "engine", "inputs", "shown", "export"},
    "estimators": BELOW | MIDDLE | {"methods", "evaluate", "engine", "api", "inputs", "shown"},
    "demo": BELOW | MIDDLE | {"methods", "evaluate", "engine", "api"},
    "cli": BELOW | MIDDLE | {"methods", "evaluate", "engine", "api", "demo", "report", "inputs", "run", "export"},
}


def imported_rooms(path: Path) -> Iterator[str]:
    """Rooms of lookalike that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "lookalike":
            parts = node.module.split(".")
            names = [alias.name for alias in node.names] if len(parts) == 1 else [parts[1]]
            yield from names
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("lookalike."))


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_go_one_way(path: Path):
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if room in ("__init__", "__main__"):
        return
    found = set(imported_rooms(path)) - {room, "__version__"}
    assert found <= ALLOWED[room], f"{room} may not import {found - ALLOWED[room]}"


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_module_is_one_idea(path: Path):
    assert len(path.read_text().splitlines()) <= 400


def test_the_core_needs_no_optional_package():
    for path in ROOT.rglob("*.py"):
        top = {
            (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else node.names[0].name.split(".")[0]
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert not top & {"torchvision", "timm", "lightly", "kornia", "matplotlib", "onnx", "onnxruntime", "pyarrow"}, (
            path
        )
