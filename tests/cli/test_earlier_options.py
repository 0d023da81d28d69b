"""Options by the names that they had before are read wherever people and files say them."""

import shutil
from pathlib import Path

import pytest

import lookalike
from lookalike.cli.main import main
from lookalike.cli.parse import parse
from lookalike.core.errors import ConfigurationError
from lookalike.methods.simclr import Options
from lookalike.runs.folder import RunFolder
from lookalike.runs.records import read_settings


@pytest.mark.parametrize("words", [["--recipe", "mnist"], ["--recipe=mnist"], ["--preset=mnist"]])
def test_flags(words: list[str]):
    parsed = parse(Options, words, "program")
    assert (parsed.options.preset, dict(parsed.sources)) == ("mnist", {"preset": "command line"})


def test_a_flag_without_its_value_is_told_by_its_name_of_today():
    with pytest.raises(ConfigurationError, match="--preset needs a value"):
        parse(Options, ["--recipe", "--seed=1"], "program")


def test_files(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text('recipe = "mnist"\n')
    assert parse(Options, [], "program", config=file).options.preset == "mnist"


def test_a_run_of_before_goes_on(photo_run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    """Its config.toml says `recipe`; the same command is no other training."""
    out = Path(shutil.copytree(photo_run, tmp_path / "run"))
    config = out / "config.toml"
    text = config.read_text(encoding="utf-8")
    assert "\npreset = " in text
    config.write_text(text.replace("\npreset = ", "\nrecipe = "), encoding="utf-8")
    assert read_settings(config) == RunFolder(photo_run).settings()
    words = ["train", "simclr", str(photos), "--out", str(out), "--epochs=2", "--width=4", "--threads=1"]
    assert main([*words, "--batch-size=20", "--precision=float32", "--no-report", "--recipe=auto"]) == 0
    assert "epoch 1" not in capsys.readouterr().out  # nothing is trained anew
    assert main(["evaluate", str(out), "--threads=1", "--no-baselines"]) == 0


def test_python(tmp_path: Path, photos: Path):
    assert lookalike.SimCLR(recipe="mnist").get_params()["preset"] == "mnist"
    run = lookalike.train(
        "simclr", str(photos), recipe="digits", epochs=0, width=4, threads=1, out=str(tmp_path / "run")
    )
    assert run.settings["preset"] == "digits"
