"""Files are whole or absent, TOML reads back as written, and the machine's faults are named."""

import errno
import json
import math
import os
import tomllib
from pathlib import Path

import pytest

from lookalike.core.errors import LookalikeError, MachineError
from lookalike.core.files import (
    machine_faults,
    read_json,
    write_atomically,
    write_json,
    write_text,
    write_toml,
)


def names(folder) -> list[str]:
    return sorted(os.listdir(folder))


def test_writes_into_folders_that_are_not_there_yet(tmp_path):
    path = tmp_path / "a" / "b" / "file.bin"
    write_atomically(path, lambda file: file.write(b"\x00\xff"))
    assert path.read_bytes() == b"\x00\xff"
    assert names(path.parent) == ["file.bin"]


def test_replaces_what_was_there(tmp_path):
    path = tmp_path / "file"
    write_text(path, "a long first text")
    write_text(path, "naïve ✓")
    assert path.read_bytes() == "naïve ✓".encode()
    assert names(tmp_path) == ["file"]


def test_undecodable_bytes_of_a_file_name_go_out_as_they_came_in(tmp_path):
    write_text(tmp_path / "file", os.fsdecode(b"caf\xe9"))
    assert (tmp_path / "file").read_bytes() == b"caf\xe9"


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_who_may_read_the_result_is_the_owner_s_decision(tmp_path, mask: int, mode: int):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "file", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


def refuse(code: int):
    """A function of the system that a file system does not have or allow."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return refused


@pytest.mark.parametrize("name", ["chmod", "fchmod", "utime", "chown", "link", "symlink"])
def test_a_share_that_refuses_what_is_not_writing_has_the_file(tmp_path, name: str, monkeypatch):
    monkeypatch.setattr(os, name, refuse(errno.EPERM))
    monkeypatch.setattr(Path, "chmod", refuse(errno.EPERM))
    write_text(tmp_path / "file", "old")
    write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_cannot_flush_has_the_file(tmp_path, code: int, monkeypatch):
    monkeypatch.setattr(os, "fsync", refuse(code))
    write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_flush_that_fails_is_told(tmp_path, code: int, monkeypatch):
    write_text(tmp_path / "file", "old")
    monkeypatch.setattr(os, "fsync", refuse(code))
    with pytest.raises(MachineError, match=os.strerror(code)):
        write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EEXIST, errno.ENOSYS])
def test_a_file_system_that_cannot_rename_has_the_file(tmp_path, code: int, monkeypatch):
    write_text(tmp_path / "file", "old")
    monkeypatch.setattr(os, "replace", refuse(code))
    write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"
    assert names(tmp_path) == ["file"]


def test_names_as_long_as_the_file_system_takes(tmp_path):
    name = "ä" * 120 + ".csv"
    write_text(tmp_path / name, "text")
    assert names(tmp_path) == [name]


def test_bytes_of_names_that_are_no_text_are_read_as_they_went_out(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    write_json(tmp_path / "file", {"name": name})
    assert read_json(tmp_path / "file") == {"name": name}


@pytest.mark.parametrize("fault", [ValueError("broken"), KeyboardInterrupt()])
def test_a_writer_that_fails_leaves_the_old_content_and_nothing_else(tmp_path, fault):
    path = tmp_path / "file"
    path.write_text("old")

    def write(file):
        file.write(b"half of the new")
        raise fault

    with pytest.raises(type(fault)):
        write_atomically(path, write)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_full_disk_is_a_machine_error_that_names_the_place(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def write(file):
        raise OSError(28, "No space left on device")

    with pytest.raises(MachineError, match="No space left on device") as caught:
        write_atomically(path, write)
    assert str(path) in str(caught.value)
    assert caught.value.exit_status == 1
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_failing_rename_leaves_no_temporary_file(tmp_path):
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "inhabitant").touch()
    with pytest.raises(MachineError, match="cannot write"):
        write_text(tmp_path / "place", "text")
    assert names(tmp_path) == ["place"]


def test_a_file_where_a_folder_is_needed_is_a_machine_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match="cannot write"):
        write_text(tmp_path / "file" / "inside", "text")


def test_machine_faults_name_the_action_and_let_other_errors_through(tmp_path):
    with pytest.raises(MachineError, match=r"cannot lock .*: Permission denied"), machine_faults("lock", tmp_path):
        raise PermissionError(13, "Permission denied")
    with pytest.raises(ZeroDivisionError), machine_faults("lock", tmp_path):
        raise ZeroDivisionError


def test_json_reads_back(tmp_path):
    value = {"name": "naïve ✓", "numbers": [1, 2.5, None, True], "nested": {"a": "b\n"}}
    write_json(tmp_path / "file.json", value)
    assert read_json(tmp_path / "file.json") == value
    assert "naïve ✓" in (tmp_path / "file.json").read_text()
    assert (tmp_path / "file.json").read_text().endswith("}\n")


@pytest.mark.parametrize("content", [None, "{broken", ""])
def test_broken_json_is_named(tmp_path, content):
    path = tmp_path / "file.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(LookalikeError, match=r"cannot read .*file\.json"):
        read_json(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        'say "hi"',
        "it's",
        "C:\\new\\table",
        "two\nlines\r\n\tand a tab",
        "naïve ✓ 🐈",
        "\x00\x07\x1b\x7f",
        "# no comment",
        "a = 1",
        "\u2028",
    ],
)
def test_strings_survive_toml(tmp_path, text):
    write_toml(tmp_path / "file.toml", {"key": text, "list": [text, text]})
    assert tomllib.loads((tmp_path / "file.toml").read_text()) == {"key": text, "list": [text, text]}


@pytest.mark.parametrize("number", [0, -7, 2**62, 0.1, 1e-4, 1e-05, 1.5e300, -0.0, 1e16, math.inf, 1 / 3])
def test_numbers_survive_toml_with_their_type(tmp_path, number):
    write_toml(tmp_path / "file.toml", {"key": number})
    (read,) = tomllib.loads((tmp_path / "file.toml").read_text()).values()
    assert (read, type(read)) == (number, type(number))


def test_a_table_survives_toml_without_its_nones(tmp_path):
    table = {"yes": True, "no": False, "none": None, "empty": [], "mixed": ["a", 1, 2.5, True]}
    write_toml(tmp_path / "file.toml", table, head="two lines\nof remarks")
    text = (tmp_path / "file.toml").read_text()
    assert text.startswith("# two lines\n# of remarks\n")
    assert tomllib.loads(text) == {"yes": True, "no": False, "empty": [], "mixed": ["a", 1, 2.5, True]}


def test_json_of_a_value_that_has_none_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
