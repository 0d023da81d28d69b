"""`--explain` says where each value comes from, trains nothing, and is what training then does."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookalike.cli.main import main
from lookalike.runs.folder import RunFolder


def explained(words: list[str], capsys: pytest.CaptureFixture) -> dict[str, tuple[str, str]]:
    """Flag -> value and source."""
    assert main([*words, "--explain"]) == 0
    rows = [line.split("  ") for line in capsys.readouterr().out.splitlines() if line.startswith("--")]
    cells = [[cell.strip() for cell in row if cell] for row in rows]
    return {row[0]: (row[1], row[2]) for row in cells if len(row) == 3}


def test_each_source_is_named_and_the_run_has_these_values(tmp_path: Path, capsys: pytest.CaptureFixture):
    file = tmp_path / "mine.toml"
    file.write_text("width = 4\nmomentum = 0.8\n", encoding="utf-8")
    out = tmp_path / "run"
    words = ["train", "simclr", "digits", "--config", str(file), "--epochs=1", "--threads=1", f"--out={out}"]
    words += ["--device=cpu"]
    found = explained(words, capsys)
    assert not out.exists()
    assert found["--epochs"] == ("1", "command line")
    assert found["--width"] == ("4", f"config file {file}")
    assert found["--preset"] == ("digits", "images")
    assert found["--lr"] == ("0.5", "preset digits")
    assert found["--temperature"] == ("0.5", "method simclr, for preset digits")
    assert found["--image-size"] == ("16", "images")
    assert found["--seed"] == ("0", "default")
    assert found["--precision"][1] == "device cpu"
    assert found["--check-every"] == ("1", "--epochs")
    assert main([*words, "--no-report", "--max-steps=1"]) == 0
    settings = RunFolder(out).settings()
    for name in ("epochs", "width", "preset", "lr", "temperature", "image_size", "precision", "augment"):
        assert str(settings[name]) == found["--" + name.replace("_", "-")][0]


def test_what_is_chosen_later_is_said(tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["digits", "--budget=5m", f"--out={tmp_path / 'run'}", "--explain"]) == 0
    out = capsys.readouterr().out
    assert "--augment auto: short trainings choose the views" in out
    assert "as many epochs as --budget 5m has time for" in out
    assert list(tmp_path.iterdir()) == []


def test_mistakes_are_told_as_by_a_training(tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["train", "simclr", "digits", "--batch-size=5000", "--explain", f"--out={tmp_path / 'run'}"]) == 2
    assert "fewer than --batch-size 5000" in capsys.readouterr().err
