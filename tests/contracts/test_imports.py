"""Imports go one way through the house (docs/design.md), and light rooms stay light."""

import ast
import itertools
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import lookalike

ROOT = Path(lookalike.__file__).parent
BELOW = {"core"}
MIDDLE = {"data", "augment", "encoders", "objectives", "clustering", "optim", "neighbors"}
ALLOWED = {
    "core": set(),
    **dict.fromkeys(MIDDLE, BELOW),
    "runs": BELOW | {"data"},  # of which types alone: it needs no PyTorch
    "methods": BELOW | MIDDLE,
    "evaluate": BELOW | MIDDLE | {"runs"},
    "report": BELOW
    | {"neighbors", "evaluate", "runs"},  # of which nothing that needs PyTorch: tests/report/test_collect.py
    "engine": BELOW | MIDDLE | {"runs", "methods", "evaluate"},
    "api": BELOW | MIDDLE | {"runs", "methods", "evaluate", "engine", "inputs"},
    "inputs": {"core", "data"},
    "export": BELOW | MIDDLE | {"runs", "evaluate", "engine", "api", "report"},
    "run": BELOW | MIDDLE | {"runs", "methods", "evaluate", "engine", "inputs", "report", "export"},
    "contract": BELOW | MIDDLE | {"runs", "methods", "engine", "api", "estimators", "cli"},
    "training": BELOW | {"methods", "api", "inputs", "run"},
    "estimators": BELOW | MIDDLE | {"runs", "methods", "evaluate", "engine", "api", "inputs", "report"},
    "demo": BELOW | MIDDLE | {"runs", "methods", "evaluate", "engine", "api"},
    "cli": BELOW
    | MIDDLE
    | {"runs", "methods", "evaluate", "engine", "api", "demo", "report", "inputs", "run", "export"},
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
    found = set(imported_rooms(path)) - {room}
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


def module_of(path: Path, root: Path) -> str:
    """The dotted name of a file below the package's folder `root`."""
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of_files(root: Path) -> Mapping[str, set[str]]:
    """The modules of a package that each of its modules imports: at its top, in functions, by `lazy_import`.

    Imports for types alone do not count, but in a package's `__init__`, where they name what `lazy_import` imports at
    its first use. That a module imports the packages that it is in, as every one does, does not count either.
    """
    files = {module_of(path, root): path for path in root.rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        tree = ast.parse(path.read_text())
        for_types = {
            part
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and path.name != "__init__.py"
            for part in ast.walk(node)
        }
        graph[module] = set()
        for node in ast.walk(tree):
            if node in for_types:
                continue
            if isinstance(node, ast.Import):
                graph[module] |= {alias.name for alias in node.names} & set(files)
            elif isinstance(node, ast.ImportFrom) and node.module in files:
                inside = {f"{node.module}.{alias.name}" for alias in node.names}
                own_names = {name for name in inside if name not in files}
                graph[module] |= (inside & set(files)) | ({node.module} if own_names else set())
    return graph


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """The modules of a circle, each importing the next; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1][::-1]
    return []


def test_files_import_in_no_circle():
    assert " -> ".join(circle(imports_of_files(ROOT))) == ""


def test_a_circle_is_found_wherever_it_is_closed(tmp_path: Path):
    package = tmp_path / "house"
    (package / "room").mkdir(parents=True)
    for name, text in {
        "__init__.py": "",
        "room/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.room.b import y",
        "room/a.py": "def f():\n    from house.room import b",
        "room/b.py": "import house.c",
        "c.py": "from house.room.a import f",
        "d.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import house.e",
        "e.py": "import house.d",
    }.items():
        (package / name).write_text(text)
    graph = imports_of_files(package)
    assert graph["house.room"] == {"house.room.b"} and graph["house.d"] == set()
    found = circle(graph)
    assert found[0] == found[-1] and set(found) == {"house.room.a", "house.room.b", "house.c"}
    assert all(later in graph[earlier] for earlier, later in itertools.pairwise(found))
    graph["house.c"].clear()
    assert circle(graph) == []
