"""Names stand where the documentation says: a package's own, also where one of its modules has the same name."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from shell_blocks import ROOT, blocks

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ALSO_MODULES = {("lookalike", "api")}
"""What pages import from a package that is a module on purpose."""


def imported(text: str) -> Iterator[tuple[str, str]]:
    """Packages or modules of lookalike and the names that the Python blocks of a page import from them."""
    for language, block in blocks(text):
        if language != "python":
            continue
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lookalike":
                yield from ((node.module or "", alias.name) for alias in node.names)


def listed() -> list[tuple[str, str]]:
    """The names under "Names to import" in docs/python.md."""
    return sorted(set(imported((ROOT / "docs" / "python.md").read_text().split("## Names to import")[1])))


SHOWN = sorted({pair for page in PAGES for pair in imported(page.read_text())})
DIRECTIVES = re.findall(
    r"^\.\. auto(class|function|module):: (lookalike[\w.]*)$", (ROOT / "docs/api.md").read_text(), re.M
)


def value(package: str, name: str) -> object:
    """What `from package import name` gives, after the module that defines it was imported by its own path."""
    found = getattr(importlib.import_module(package), name)
    home = getattr(found, "__module__", None)
    if home is not None:
        importlib.import_module(home)
    return getattr(importlib.import_module(package), name)


@pytest.mark.parametrize(("package", "name"), SHOWN, ids=".".join)
def test_what_a_page_imports_is_there_and_no_module(package: str, name: str):
    assert isinstance(value(package, name), ModuleType) is ((package, name) in ALSO_MODULES)


@pytest.mark.parametrize(("package", "name"), listed(), ids=".".join)
def test_listed_names_are_public_names_of_their_package(package: str, name: str):
    assert name in importlib.import_module(package).__all__
    assert Path(importlib.import_module(package).__file__ or "").name == "__init__.py"


@pytest.mark.parametrize(("kind", "path"), DIRECTIVES, ids=lambda word: word)
def test_the_reference_names_what_there_is(kind: str, path: str):
    if kind == "module":
        importlib.import_module(path)
        return
    package, _, name = path.rpartition(".")
    found = value(package, name)
    assert isinstance(found, type) if kind == "class" else callable(found) and not isinstance(found, type)


def test_the_list_has_the_names_that_were_promised():
    promised = """
        lookalike: SimCLR DeepCluster DeepClusterV2 load
        lookalike.objectives: nt_xent
        lookalike.clustering: KMeans pca_whiten balanced_order nmi ari matched_accuracy
        lookalike.optim: LARS
    """
    pairs = {
        (line.split(":")[0].strip(), name)
        for line in promised.strip().splitlines()
        for name in line.split(":")[1].split()
    }
    assert pairs <= set(listed())


def test_module_paths_give_what_they_gave():
    """Paths from before the packages had public names."""
    from lookalike.evaluate.nearest import nearest
    from lookalike.objectives.cross_entropy import cross_entropy
    from lookalike.objectives.nt_xent import nt_xent
    from lookalike.optim.lars import LARS

    assert value("lookalike.neighbors", "nearest") is nearest
    assert value("lookalike.objectives", "nt_xent") is nt_xent
    assert value("lookalike.objectives", "cross_entropy") is cross_entropy
    assert value("lookalike.optim", "LARS") is LARS
