"""The notebooks of the documentation run, cell by cell, in a folder of their own.

They are run as Python, without Jupyter: a cell is compiled as Jupyter does it, and what its last line gives is shown by
`_repr_html_` or `repr`. Notebooks therefore hold no magics, which a test says. What a page does in a frame of a
notebook is tested in a browser by test_notebook_browser.py.
"""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


def cells(path: Path, kind: str) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def run_cell(source: str, where: str, names: dict[str, Any]) -> str:
    """Run a cell; what a notebook would show of its last expression, "" where it is none or None."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, where, "exec"), names)
    if not isinstance(last, ast.Expr):
        return ""
    value = eval(compile(ast.Expression(last.value), where, "eval"), names)
    if value is None:
        return ""
    return value._repr_html_() if hasattr(value, "_repr_html_") else repr(value)


def run_notebook(name: str) -> list[str]:
    """What the code cells of a notebook show, one after the other."""
    names: dict[str, Any] = {"__name__": "__main__"}
    path = next(path for path in NOTEBOOKS if path.stem == name)
    return [run_cell(source, f"{path.name}, cell {i}", names) for i, source in enumerate(cells(path, "code"))]


@pytest.mark.slow
def test_a_folder_of_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.chdir(tmp_path)
    results = run_notebook("a_folder_of_images")
    said = capsys.readouterr().out
    assert results[0] == "1797" and results[1] == "(1797, 128)"
    assert "a new view finds its own image" in said
    assert results[3].startswith("<iframe") and (tmp_path / "runs" / "notebook" / "report.html").exists()
    first = re.findall(r"^(\d\.\d{3})  (\S+)$", said, re.MULTILINE)
    assert len(first) == 6 and first[0] == ("1.000", "0007.png")
    agreed = ast.literal_eval(results[-1])
    assert 0.3 < agreed["features"] <= 1 and 0.6 < agreed["pixels"] <= 1


@pytest.mark.slow
def test_reproducing_the_paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.chdir(tmp_path)
    results = run_notebook("reproducing_the_paper")
    said = capsys.readouterr().out
    rows = re.findall(
        r"^(raw pixels|untrained|SimCLR|DeepCluster) +([\d.]+)% +([\d.]+)% +([\d.]+)%$", said, re.MULTILINE
    )
    assert [row[0] for row in rows] == ["raw pixels", "untrained", "SimCLR", "DeepCluster"]
    linear = {row[0]: float(row[2]) for row in rows}
    assert min(linear["SimCLR"], linear["DeepCluster"]) > linear["untrained"]
    curves = re.findall(
        r"^(SimCLR|DeepCluster) +pixels [\d.]+, untrained ([\d.]+), then ([\d. ]+)$", said, re.MULTILINE
    )
    assert [curve[0] for curve in curves] == ["SimCLR", "DeepCluster"]
    for _, untrained, after in curves:
        assert len(after.split()) == 3 and float(after.split()[-1]) > float(untrained)
    assert results[-1].startswith("<iframe")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path: Path):
    notebook = json.loads(path.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
    assert not any(re.search(r"^\s*[%!]", source, re.MULTILINE) for source in cells(path, "code"))


def test_every_notebook_is_run():
    tested = re.findall(r'run_notebook\("(\w+)"\)', Path(__file__).read_text())
    assert sorted(tested) == [path.stem for path in NOTEBOOKS]
