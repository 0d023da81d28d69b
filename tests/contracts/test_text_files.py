"""Text is UTF-8 in every locale: no call leaves it to the machine how letters are written."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
IN_ASCII = r"""
import os, sys
from pathlib import Path
from lookalike.core.files import read_json, write_csv, write_json, write_toml
from lookalike.core.metrics import read_metrics
from lookalike.runs.folder import RunFolder
folder = Path(sys.argv[1])
run = RunFolder(folder)
write_json(run.record, {"status": "K\u00f6ln \u2713"})
write_toml(run.config, {"method": "simclr", "data": "K\u00f6ln \u2713"})
write_csv(run.index, ("path",), [("K\u00f6ln \u2713",)])
assert run.status().status == "K\u00f6ln \u2713", run.status()
assert run.settings()["data"] == "K\u00f6ln \u2713", run.settings()
print(os.sys.getfilesystemencoding())
"""


def left_open(path: Path) -> Iterator[str]:
    """Places of a module where a text file is opened in whatever encoding the locale has."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or any(word.arg in ("encoding", None) for word in node.keywords):
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
        on_open = isinstance(called, ast.Name) and name == "open"
        modes = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "mode")]
        binary = any("b" in ast.unparse(mode) for mode in modes)
        # there are functions of these names too
        of_path = isinstance(called, ast.Attribute) and name in ("read_text", "write_text")
        if name == "TextIOWrapper" or of_path or (on_open and not binary):
            yield f"{path.relative_to(ROOT)}:{node.lineno}: {name} without encoding="


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_text_file_is_opened_as_utf_8(path: Path):
    assert list(left_open(path)) == []


def test_a_run_is_read_as_it_was_written_in_a_locale_of_another_encoding(tmp_path: Path):
    """Python's ASCII stands for it: it is there on every machine, and has even fewer letters than Latin-1."""
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", IN_ASCII, str(tmp_path)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "ascii\n"), done.stderr
