"""What the README says works when it is typed in."""

import re
from pathlib import Path

import pytest

from lookalike.cli.main import command_names

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_python_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert 0.5 < float(capsys.readouterr().out.split()[-1]) <= 1
    assert (tmp_path / "runs" / "python" / "embeddings.npy").exists()


def test_every_command_is_named_and_every_named_command_exists():
    named = set(re.findall(r"`lookalike ([a-z]+)", README)) - {"runs"}
    assert named == set(command_names()) - {"everything", "runs"}
    assert "`lookalike runs ls`" in README


def test_the_make_targets_exist():
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    for target in re.findall(r"make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
