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


# Dichromacy of full severity on linear RGB (Machado, Oliveira and Fernandes 2009), and none.
SIGHT = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no L cones": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no M cones": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no S cones": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lightness_and_hue(colour: str, sight: list[list[float]]) -> np.ndarray:
    """CIE L*a*b* of a colour as it is seen."""
    part = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.array(sight) @ np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ linear.clip(0, 1) / np.array([0.9505, 1, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("palette", ["LIGHT", "DARK"])
def test_classes_are_told_apart_by_the_colour_blind(palette: str, sight: str):
    line = re.search(rf"const {palette} = (\[.*\]);", (TEMPLATE / "colours.js").read_text())
    assert line is not None
    seen = [lightness_and_hue(colour, SIGHT[sight]) for colour in json.loads(line[1])]
    nearest = min(float(np.linalg.norm(a - b)) for i, a in enumerate(seen) for b in seen[:i])
    assert nearest > 13  # some five times what is noticed at all
