"""The page as a file: what is in it, and that names stay text."""

import ast
import base64
import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
from fake_report import HOSTILE, fake_report, packed

from lookalike.report import page
from lookalike.report.page import render, write_page

TEMPLATE = Path(page.__file__).parent / "template"


def embedded(text: str) -> dict:
    """The data object of a page."""
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert len(found) == 1
    return json.loads(found[0])


def test_the_page_holds_the_object_it_was_made_from(tmp_path: Path):
    data = fake_report(40)
    write_page(data, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert embedded(text) == data
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html"]


def test_hostile_names_are_data():
    data = fake_report(40, hostile=True)
    text = render(data)
    body = text.partition('id="data">')[2].partition("</script>")[0]
    assert "<" not in body
    assert embedded(text)["images"]["paths"][: len(HOSTILE)] == list(HOSTILE)
    assert "<img" not in text
    assert "<script>alert" not in text
    assert html.escape(data["title"]) in text


def test_names_that_are_no_utf8_can_be_written(tmp_path: Path):
    data = fake_report(4)
    data["title"] = data["runs"][0]["name"] = data["runs"][0]["verdict"]["sentences"][0] = "caf\udce9"
    write_page(data, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_bytes().decode("utf-8")
    assert "<h1>caf\ufffd</h1>" in text
    assert embedded(text)["title"] == "caf\udce9"


def test_numbers_that_are_not_finite_become_null():
    data = fake_report(4)
    data["runs"][0]["curves"]["epoch"] = [{"epoch": 1, "loss": float("nan"), "lr": float("inf")}]
    assert embedded(render(data))["runs"][0]["curves"]["epoch"] == [{"epoch": 1, "loss": None, "lr": None}]


def test_above_the_limit_the_sheets_lie_beside_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page, "SINGLE_FILE", 10)
    data = fake_report(11)
    before = json.loads(json.dumps(data))
    write_page(data, tmp_path / "a run.html")
    source = embedded((tmp_path / "a run.html").read_text())["images"]["sheets"][0]["src"]
    assert source == "a%20run/sheet-0.jpg"
    sheet = base64.b64decode(data["images"]["sheets"][0]["src"].partition(",")[2])
    assert (tmp_path / "a run" / "sheet-0.jpg").read_bytes() == sheet
    assert data == before


def test_all_scripts_are_in_the_page_and_allowed_by_name():
    text = render(fake_report(4))
    for name in sorted(p.name for p in TEMPLATE.glob("*.js")):
        assert name in page._SCRIPTS, name
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert html.unescape(policy[1]).count("'sha256-") == len(page._SCRIPTS)
    assert "unsafe-inline'; img" in html.unescape(policy[1])  # of styles only


@pytest.mark.parametrize("path", sorted(TEMPLATE.iterdir()), ids=lambda p: p.name)
def test_a_script_is_one_idea_and_makes_no_markup_of_data(path: Path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    assert all(len(line) <= 160 for line in text.splitlines() if path.suffix == ".js")
    if path.suffix == ".js":
        assert "</script" not in text
        assert "<!--" not in text
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "fetch(",
        ):
            assert word not in text, word
        assert '"use strict"' in text


def test_the_room_needs_no_torch():
    for path in Path(page.__file__).parent.glob("*.py"):
        names = {
            alias.name.split(".")[0] if isinstance(node, ast.Import) else (node.module or "").split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert "torch" not in names, path


def test_arrays_are_packed_as_the_page_reads_them():
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    found = packed(values)
    assert (found["dtype"], found["shape"]) == ("float32", [3, 2])
    assert (np.frombuffer(base64.b64decode(found["base64"]), "<f4").reshape(3, 2) == values).all()
