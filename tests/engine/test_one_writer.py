"""One run folder, two processes: writers exclude each other before anything is touched, readers may read."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lookalike import api
from lookalike.cli.main import main
from lookalike.core.errors import LookalikeError
from lookalike.methods.simclr import Options
from lookalike.runs.folder import RunFolder

HOLD = """
import sys
from pathlib import Path
from lookalike.runs.folder import RunFolder
with RunFolder(Path(sys.argv[1])).writing():
    print("held", flush=True)
    sys.stdin.read()
"""


def digest(folder: Path) -> dict[str, str]:
    """A hash of each file."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture
def holder(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen]:
    """Starts a process that has a run folder."""
    processes = []

    def start(folder: Path) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def run(photo_run: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return RunFolder(shutil.copytree(photo_run, tmp_path_factory.mktemp("runs") / "run"))


def test_nothing_of_a_lock_is_left(run: RunFolder):
    assert not (run.path / ".lock").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["train", "simclr", "PHOTOS", "--out", "RUN", "--epochs", "1"],
        ["PHOTOS", "--out", "RUN", "--epochs", "1"],
        ["evaluate", "RUN"],
        ["evaluate", "RUN", "--labels", "1", "--seeds", "1"],
        ["embed", "RUN"],
        ["cluster", "RUN", "--k", "3"],
        ["label", "RUN", "LABELS"],
        ["finetune", "RUN", "--out", "RUN"],
    ],
    ids=lambda words: words[0],
)
def test_a_second_writer_is_told_who_has_it(
    words: list[str], run: RunFolder, photos: Path, tmp_path: Path, holder, capsys
):
    (tmp_path / "labels.csv").write_text("path,label\nred/000.png,a\nblue/000.png,b\n")
    process, before = holder(run.path), digest(run.path)
    words = [
        {"RUN": str(run.path), "PHOTOS": str(photos), "LABELS": str(tmp_path / "labels.csv")}.get(word, word)
        for word in words
    ]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert f"{run.path} is in use: process {process.pid} on " in said and "since 2" in said
    assert digest(run.path) == before


def test_readers_may_read(run: RunFolder, photos: Path, tmp_path: Path, holder, capsys):
    holder(run.path)
    place = str(run.path)
    for words in (["runs", "show", place], ["report", place, "--out", str(tmp_path / "page.html")]):
        assert main(words) == 0, capsys.readouterr().err
    assert main(["embed", place, str(photos), "--out", str(tmp_path / "features")]) == 0


def test_a_folder_that_does_not_exist_yet_is_had_too(tmp_path: Path, holder):
    process = holder(tmp_path / "runs" / "new")
    options = Options(data="digits", out=str(tmp_path / "runs" / "new"), epochs=1, width=4, threads=1)
    with pytest.raises(LookalikeError, match=f"process {process.pid} on "):
        api.train("simclr", options, {"epochs"})
    process.communicate(timeout=60)
    assert list(tmp_path.iterdir()) == []  # it stayed empty, and is gone


def test_the_images_name_a_folder_that_is_had_as_well(tmp_path: Path, holder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    process = holder(Path("runs/simclr-digits"))
    with pytest.raises(LookalikeError, match=f"process {process.pid} on "):
        api.train("simclr", Options(data="digits", epochs=1, threads=1), {"epochs"})


def test_a_mistake_leaves_no_folder(tmp_path: Path):
    options = Options(data="digits", out=str(tmp_path / "runs" / "new"), epochs=1, batch_size=5000, threads=1)
    with pytest.raises(LookalikeError, match="fewer than --batch-size 5000"):
        api.train("simclr", options, {"epochs", "batch_size"})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_others_is_not_touched(tmp_path: Path):
    (tmp_path / "letter.txt").write_text("Dear")
    with pytest.raises(LookalikeError, match="exists and holds no run"), RunFolder(tmp_path).writing():
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LookalikeError, match="cannot write .*file/run: Not a directory"):
        api.train("simclr", Options(data="no such folder", out=str(tmp_path / "file" / "run")))
