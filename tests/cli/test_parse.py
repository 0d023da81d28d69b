"""Words and files become options; every mistake is reported at once, with the nearest valid name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from lookalike.cli.parse import field_docs, parse
from lookalike.core.errors import ConfigurationError, LookalikeError
from lookalike.core.options import TrainOptions


@dataclass(kw_only=True)
class Some:
    """Some options."""

    data: str = ""
    """What to read."""
    epochs: int = 3
    """Passes over
    the images."""
    lr: float = 0.5
    """Rate."""
    limit: int | None = None
    """Most steps."""
    norm: Literal["batch", "group"] = "batch"
    """Kind."""
    fast: bool = True
    """Hurry."""


def said(*words: str, config: Path | None = None):
    return parse(Some, words, "some", ("data",), config)


def test_words_become_typed_values_and_are_known_to_be_said():
    parsed = said("photos", "--epochs", "7", "--lr=1e-2", "--no-fast", "--limit", "9")
    assert parsed.options == Some(data="photos", epochs=7, lr=0.01, fast=False, limit=9)
    assert parsed.sources == dict.fromkeys(("data", "epochs", "lr", "fast", "limit"), "command line")


def test_nothing_said_gives_the_defaults():
    assert said().options == Some()
    assert said().sources == {}


def test_a_negative_number_is_a_value():
    assert said("--lr", "-2").options.lr == -2


def test_a_value_that_begins_with_a_number_below_zero_is_told_as_a_value():
    with pytest.raises(ConfigurationError, match="--limit .*'-3m'"):
        said("--limit", "-3m")


def test_a_word_after_two_dashes_is_data():
    assert said("--", "--odd-folder").options.data == "--odd-folder"


def test_flags_win_over_the_file(tmp_path: Path):
    (tmp_path / "c.toml").write_text('data = "d"\nepochs = 9\nlr = 2\nfast = false\n')
    parsed = said("--epochs", "4", config=tmp_path / "c.toml")
    assert parsed.options == Some(data="d", epochs=4, lr=2.0, fast=False)
    file = f"config file {tmp_path / 'c.toml'}"
    assert parsed.sources == {"data": file, "epochs": "command line", "lr": file, "fast": file}


def test_all_mistakes_at_once(tmp_path: Path):
    (tmp_path / "c.toml").write_text('epohcs = 9\nlr = "quick"\n')

    def check(options: Some):
        if options.limit is not None and options.limit < 1:
            yield "--limit must be at least 1"

    words = ("d", "more", "--epochs", "x", "--norm", "grop", "--fst", "--limit", "0")
    with pytest.raises(ConfigurationError) as error:
        parse(Some, words, "some", ("data",), tmp_path / "c.toml", check)
    text = str(error.value)
    assert text.startswith("7 mistakes in the configuration:")
    for part in (
        "unknown key 'epohcs'",
        "did you mean 'epochs'?",
        "--lr must be a number, got 'quick'",
        "unexpected word 'more'",
        "--epochs must be an integer, got 'x'",
        "--norm cannot be 'grop': did you mean 'group'?",
        "unknown option --fst: did you mean '--fast'?",
        "--limit must be at least 1",
    ):
        assert part in text


def test_flags_without_their_value_are_named():
    with pytest.raises(ConfigurationError) as error:
        said("--epochs", "--norm", "--lr", "1")
    assert "--epochs needs a value (INTEGER)" in str(error.value)
    assert "--norm needs a value ({batch,group})" in str(error.value)


@pytest.mark.parametrize(
    "text", ["epochs = 1.5", "epochs = true", "epochs = [1]", "lr = {a = 1}", "fast = 1", 'fast = "no"']
)
def test_types_of_the_file_are_checked(tmp_path: Path, text: str):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ConfigurationError, match="must be"):
        said(config=tmp_path / "c.toml")


def test_a_broken_or_missing_file_is_named(tmp_path: Path):
    (tmp_path / "c.toml").write_text("epochs = = 3")
    with pytest.raises(LookalikeError, match=r"c\.toml is no TOML"):
        said(config=tmp_path / "c.toml")
    with pytest.raises(LookalikeError, match="cannot read"):
        said(config=tmp_path / "none.toml")


@dataclass(kw_only=True)
class Places:
    """Options with places."""

    run: str = ""
    """One word."""
    data: str | tuple[str, ...] = ""
    """One place, or several."""
    epochs: int = 3
    """Passes."""


@pytest.mark.parametrize(
    ("words", "data"),
    [
        ((), ""),
        (("A",), "A"),
        (("A", "B"), ("A", "B")),
        (("A", "B", "--epochs", "2"), ("A", "B")),
        (("A", "--epochs", "2", "B", "C"), ("A", "B", "C")),
        (("--epochs=2", "A", "B"), ("A", "B")),
    ],
)
def test_a_field_of_one_or_many_places(words, data):
    parsed = parse(Places, words, "some", ("data",))
    assert parsed.options.data == data
    assert parsed.options.epochs == (2 if any("epochs" in word for word in words) else 3)


def test_places_after_another_word():
    assert parse(Places, ("R", "A", "B"), "some", ("run", "data")).options == Places(run="R", data=("A", "B"))


@pytest.mark.parametrize(("text", "data"), [('"A"', "A"), ('["A"]', "A"), ('["A", "B"]', ("A", "B"))])
def test_places_of_a_file(tmp_path: Path, text, data):
    (tmp_path / "c.toml").write_text(f"data = {text}\n")
    assert parse(Places, (), "some", ("data",), tmp_path / "c.toml").options.data == data


@pytest.mark.parametrize("text", ["5", "[1, 2]"])
def test_places_are_texts(tmp_path: Path, text):
    (tmp_path / "c.toml").write_text(f"data = {text}\n")
    with pytest.raises(ConfigurationError, match="--data must be a text or a list of texts"):
        parse(Places, (), "some", ("data",), tmp_path / "c.toml")


def test_the_value_of_an_unknown_option_is_no_place():
    with pytest.raises(ConfigurationError) as error:
        parse(Places, ("A", "--fst", "B"), "some", ("data",))
    assert error.value.problems == ("unknown option --fst: valid: --run, --epochs",)


def test_help_shows_type_meaning_and_default(capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as stopped:
        said("--help")
    assert stopped.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Passes over the images. (default: 3)" in text
    assert "--norm {batch,group}" in text


def test_every_option_of_training_says_what_it_means():
    import dataclasses

    docs = field_docs(TrainOptions)
    assert all(len(docs.get(f.name, "")) > 10 for f in dataclasses.fields(TrainOptions))


def test_what_stands_without_an_option_is_no_option():
    with pytest.raises(ConfigurationError, match=r"--data=photos is no option: DATA stands without one.* DATA$"):
        parse(TrainOptions, ["--data=photos"], "lookalike train", ("data",))
