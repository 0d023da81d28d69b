"""A place that is not there: one sentence with the likely path or command."""

from pathlib import Path

import pytest

from lookalike.cli.main import main
from lookalike.core import nearby
from lookalike.core.errors import LookalikeError
from lookalike.data.sources import find
from lookalike.runs.folder import RunFolder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder and a home with some folders in them."""
    work, home = tmp_path / "work", tmp_path / "home"
    for folder in (work / "photos" / "cats", work / "My Photos", work / "data" / "birds", home / "scans"):
        folder.mkdir(parents=True)
    for name in ("simclr-photos", "second"):
        (work / "runs" / name).mkdir(parents=True)
        for file in ("config.toml", "run.json", "report.html"):
            (work / "runs" / name / file).write_text("")
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PLACE", "photos")
    return work


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("phtos", "did you mean photos?"),
        ("phtos/cats", "did you mean photos/cats?"),
        ("phtos/cast/", "did you mean photos/cats?"),
        ("PHOTOS", "did you mean photos?"),
        ("my_photos", "did you mean 'My Photos'?"),
        ("photos\\", "did you mean photos?"),
        ("photos\\cats", "did you mean photos/cats?"),
        ("My\\ Photos", "did you mean 'My Photos'?"),
        ('"photos"', "did you mean photos?"),
        ("\u201cphotos\u201d", "did you mean photos?"),
        ("photos ", "did you mean photos?"),
        ("/photos", "did you mean photos?"),
        ("$PLACE", "did you mean photos?"),
        ("birds", "did you mean data/birds?"),
        ("http://a.org/x.zip", "fetch them first"),
        ("s3://bucket/key", "aws s3 sync"),
        ("file:///data/x", "write the path alone: /data/x"),
        ("https://huggingface.co/datasets/ylecun/mnist", "is named hf:ylecun/mnist"),
        ("C:\\Users\\me\\photos", "in WSL it is /mnt/c/Users/me/photos"),
        ("c:/Users/me/My photos", "in WSL it is '/mnt/c/Users/me/My photos'"),
        ("C:Usersmephotos", "backslashes the shell has taken"),
        ("\\\\server\\share", "Windows network"),
        ("epochs=5", "the option --epochs=5, with two hyphens"),
        ("\u2014epochs", "the option --epochs, with two hyphens"),
        ("skip_bad", "the option --skip-bad"),
        ("", "the name is empty"),
        ("quite another thing", ""),
        ("x" * 5000, ""),
        ("a\0b", ""),
    ],
)
def test_what_was_meant(place: str, sentence: str, here: Path):
    found = nearby.meant(place)
    assert sentence in found if sentence else found == ""
    if place and "\0" not in place and sentence:
        with pytest.raises(LookalikeError) as error:
            find(place)
        assert sentence in str(error.value)


def test_a_home_is_meant_by_its_sign(here: Path):
    assert nearby.meant("~/scans") == f"did you mean {here.parent / 'home' / 'scans'}?"
    assert nearby.meant("scans") == f"did you mean {here.parent / 'home' / 'scans'}?"


def test_a_slash_may_be_lacking(here: Path):
    assert nearby.meant(str(here / "photos").lstrip("/")) == f"did you mean {here / 'photos'}?"


@pytest.mark.parametrize("words", [["my", "photos"], ["My", "Photos"]])
def test_a_name_with_blanks_that_the_shell_took_apart(words: list[str], here: Path, capsys):
    for command in (words, ["train", "simclr", *words]):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert "did you mean 'My Photos'? A name with blanks goes into quotes" in said


def test_pieces_of_a_name(here: Path):
    assert nearby.split_by_shell(["photos", "My", "Photos", "data"]).startswith("did you mean 'My Photos'?")
    assert nearby.split_by_shell(["photos", "data"]) == ""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["evalute", "runs/second"], "did you mean 'evaluate'?"),
        (["simclr", "photos"], "did you mean lookalike train simclr photos?"),
        (["train", "photos"], "lookalike train simclr photos"),
        (["--epochs", "5", "photos"], "lookalike DATA --epochs ..."),
        (["photos", "epochs", "5"], "did you mean the option --epochs"),
        (["runs/second"], "runs/second is a run and no folder of images"),
        (["train", "simclr", "runs/second"], "lookalike train --config runs/second/config.toml"),
        (["embed", "photos"], "did you mean runs/simclr-photos, which was trained on it?"),
        (["report", "runs"], "it holds runs, of which the newest is runs/"),
        (["report", "simclr-photo"], "did you mean runs/simclr-photos?"),
        (["report", "runs/secnd"], "did you mean runs/second?"),
        (["report", "runs/second/report.html"], "did you mean its folder, runs/second?"),
        (["embed", "runs/second/config.toml"], "did you mean its folder, runs/second?"),
        (["phtos"], "did you mean photos?"),
        (["photos\\"], "did you mean photos?"),
    ],
)
def test_at_the_front_door(words: list[str], sentence: str, here: Path, capsys):
    assert main(words) == 2
    assert sentence in capsys.readouterr().err


def test_what_is_near_nothing_is_answered_as_before(here: Path):
    with pytest.raises(LookalikeError, match="`lookalike runs ls` lists the runs"):
        RunFolder.existing("entirely/elsewhere")
