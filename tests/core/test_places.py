"""Relative places are found from elsewhere: from the folder in which they were said, from here, and moved along."""

from pathlib import Path

import pytest

from lookalike.core.places import absolute_places, find_place, find_places, folders_of, is_there, joined, same_place


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("photos", "mnist", "else", "runs/a", "saved"):
        (tmp_path / "project" / name).mkdir(parents=True)
    (tmp_path / "project" / "shard-0.tar").touch()
    (tmp_path / "project" / "photos" / "a.jpg").touch()
    monkeypatch.chdir(tmp_path / "project" / "else")
    return tmp_path / "project"


@pytest.mark.parametrize(
    "said",
    ["photos", "photos/", "./photos", "mnist:mnist", "photos/*.jpg", "shard-{0..1}.tar", "hf:saved", "hf:saved:train"],
)
def test_every_kind_of_place_is_found_from_its_folder(project: Path, said: str):
    assert not is_there(said) or said.startswith("hf:")
    assert find_place(said, [project]) == joined(said, project)
    assert str(project) in joined(said, project) and is_there(joined(said, project))


@pytest.mark.parametrize("said", ["digits", "hf:cats", "hf:some/name:test", "/photos"])
def test_what_is_no_relative_place_stays(project: Path, said: str):
    assert joined(said, project) == said


def test_a_folder_called_digits_is_one(project: Path):
    (project / "digits").mkdir()
    assert joined("digits", project) == str(project / "digits")


def test_the_first_folder_counts_and_the_working_folder_is_said_short(project: Path):
    (project / "else" / "photos").mkdir()
    assert find_place("photos", [project, "."]) == str(project / "photos")
    assert find_place("photos", [Path.cwd(), project]) == "photos"
    assert find_place("nowhere", [project]) is None
    assert find_places(("photos", "nowhere"), [project]) == (str(project / "photos"), "nowhere")
    assert absolute_places(("photos", "digits", "hf:x")) == [str(project / "else" / "photos"), "digits", "hf:x"]
    assert absolute_places("") == []


def test_folders_of_a_run(project: Path):
    run, here = project / "runs" / "a", str(project / "else")
    assert folders_of("/gone", {"out": "runs/a"}, run) == ["/gone", here, str(project)]
    assert folders_of(None, {"out": "elsewhere/a"}, run) == [here]
    assert folders_of(None, {"out": "../runs/a"}, run) == [here]
    assert folders_of(None, {}, run) == [here]


def test_one_place_said_in_two_folders(project: Path):
    assert same_place("runs/a", [project], "../runs/a") and same_place("timm", [project], "timm")
    assert not same_place("runs/a", [project], "runs/a/b")


def test_a_link_before_two_points_is_followed(project: Path, tmp_path: Path):
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (project / "link").symlink_to(tmp_path / "far" / "deep")
    (tmp_path / "far" / "images").mkdir()
    assert is_there(joined("link/../images", project))


@pytest.mark.parametrize("said", ["x" * 5000, "a\0b", "~nobody-of-this-name/x"])
def test_names_that_no_system_allows_are_nowhere(said: str):
    assert not is_there(said)
