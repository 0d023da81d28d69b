"""A user without a home still has a cache folder, which is nobody else's, and is told of it with the remedy."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from heard import Heard
from lookalike.cli.main import main
from lookalike.core import home
from lookalike.core.home import cache_home, can_be_written, expand_user, temporary_cache
from lookalike.core.progress import listening
from lookalike.data import store
from lookalike.data.sources import find
from lookalike.data.store import cache_folder, load


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The system's temporary folder is one of this test's."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    temporary_cache.cache_clear()
    yield folder
    temporary_cache.cache_clear()


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `docker run --user 12345`: no HOME, and no entry among the system's users."""

    def unknown(user: object) -> None:
        raise KeyError(f"getpwuid(): uid not found: {user}")

    for name in ("HOME", "XDG_CACHE_HOME", "USERPROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(pwd, "getpwnam", unknown)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(4):
        Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(folder / f"{i}.png")
    return folder


def test_without_a_home_the_cache_is_temporary_and_said(no_home: None, place: Path, images: Path):
    heard = Heard()
    with listening(heard):
        found = load(find(str(images)))
    assert len(found.paths) == 4
    folder = place / f"lookalike-{os.getuid()}"
    assert cache_folder(None) == folder
    assert (folder.stat().st_mode & 0o777) == 0o700
    (line,) = [words for words in heard.lines if "no home folder" in words]
    assert str(folder) in line and "--cache" in line and "XDG_CACHE_HOME" in line
    heard.lines.clear()
    with listening(heard):
        load(find(str(images)))
    assert not any("decoding" in words for words in heard.lines)  # found again


def test_every_place_with_a_tilde_is_one_that_is_not_there(no_home: None, capsys: pytest.CaptureFixture):
    assert expand_user("~/photos") == Path("~/photos")
    assert expand_user("~nobody-of-that-name/photos") == Path("~nobody-of-that-name/photos")
    assert main(["doctor", "~/photos"]) == 2
    assert main(["embed", "~/run", "~/photos/*.png"]) == 2
    assert "~/photos" in capsys.readouterr().err


def test_a_tilde_that_the_shell_has_left_is_the_home_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    (home / "photos").mkdir()
    for i in range(3):
        values = np.random.default_rng(i).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(values).save(home / "photos" / f"{i}.png")
    assert main(["views", "~/photos", "--out=~/made.png", "--images=2"]) == 0
    assert main(["doctor", "~/photos"]) == 0
    assert (home / "made.png").is_file() and not list(work.iterdir())
    assert "3 images found" in capsys.readouterr().out


def test_doctor_says_it(no_home: None, place: Path, capsys: pytest.CaptureFixture):
    assert main(["doctor"]) == 0
    assert "this user has no home folder: decoded images are kept in" in capsys.readouterr().out


def test_a_home_that_cannot_be_written(tmp_path: Path, place: Path, images: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    load(find(str(images)))
    stored = cache_folder(None)
    assert stored == tmp_path / "cache" / "lookalike"
    monkeypatch.setattr(store, "can_be_written", lambda folder: False)  # root may write anywhere
    heard = Heard()
    with listening(heard):
        load(find(str(images)))
    assert heard.lines == []  # a store that is there can be read
    (images / "new.png").write_bytes((images / "0.png").read_bytes())
    with listening(heard):
        load(find(str(images)))
    assert f"{stored} cannot be written: decoded images are kept in {place}" in heard.lines[0]


def test_what_can_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert can_be_written(tmp_path / "a" / "b")
    assert not can_be_written(tmp_path / "file" / "a")


@pytest.mark.parametrize("named", ["", "relative/cache"])
def test_a_cache_home_that_is_no_absolute_path_is_none(named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", named)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_home() == tmp_path / ".cache"


@pytest.mark.parametrize("trap", ["link", "open to all", "another's", "file"])
def test_a_folder_that_somebody_else_may_have_made_is_not_used(
    trap: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    taken = place / f"lookalike-{os.getuid()}"
    if trap == "link":
        (tmp_path / "theirs").mkdir()
        taken.symlink_to(tmp_path / "theirs")
    elif trap == "file":
        taken.write_text("", encoding="utf-8")
    else:
        taken.mkdir(mode=0o700)
        if trap == "open to all":
            taken.chmod(0o777)
        else:
            user = os.getuid() + 1
            monkeypatch.setattr(os, "getuid", lambda: user)
            taken.rename(place / f"lookalike-{user}")
            taken = place / f"lookalike-{user}"
    found = temporary_cache()
    assert found != taken
    assert (found.stat().st_mode & 0o777) == 0o700
    home._held.pop().cleanup()
    assert not found.exists()  # it goes with the process
