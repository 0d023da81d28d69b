"""The front door: help at once and without heavy imports, dispatch, exit statuses, no tracebacks."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.cli import main as front_door
from lookalike.cli.main import command_names, main, overview


def photos(folder: Path, n: int = 40, side: int = 16) -> Path:
    """A folder of n coloured noise images."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        Image.fromarray(generator.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(folder / f"{i:03d}.png")
    return folder


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("from lookalike.cli.main import main; main(['--help'])", ("torch", "sklearn", "scipy", "PIL")),
        # what looks at labels takes as long to import as PyTorch, and has nothing to do before the first look
        ("from lookalike import api; import lookalike.methods.simclr; api.load_images('digits')", ("sklearn", "scipy")),
    ],
    ids=["help", "the beginning of a training"],
)
def test_what_takes_long_to_import_waits_until_it_is_wanted(code: str, unwanted: tuple[str, ...]):
    code += f"; import sys; print([name for name in {unwanted} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "[]"


def test_help_names_every_command():
    text = overview()
    for name in command_names():
        assert ("lookalike DIR" if name == "auto" else f"lookalike {name}") in text


@pytest.mark.parametrize("name", [n for n in command_names() if n not in ("auto", "runs", "train")])
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    assert f"usage: lookalike {name}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("lookalike 0.")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "did you mean 'train'?"),
        (["nowhere/at/all"], "no such folder or file: nowhere/at/all"),
        (["cifar:there"], "did you mean 'cifar10'?"),
        (["--hlep"], "did you mean '--help'?"),
        (["train"], ""),
        (["train", "simcrl", "digits"], "unknown method 'simcrl': did you mean 'simclr'?"),
        (["train", "simclr"], "no images named"),
        (["train", "simclr", "digits", "--encoder", "resnet8"], "did you mean 'resnet18'?"),
        (["train", "simclr", "digits", "--preset", "mnits"], "did you mean 'mnist'?"),
        (["train", "simclr", "digits", "--batch-size", "5000"], "1,797 training images, fewer than --batch-size 5000"),
        (["train", "simclr", "digits", "--device", "cuda:9"], "--device cuda:9 is not there"),
        (["train", "simclr", "digits", "--config"], "--config needs a value"),
        (["evaluate", "nowhere"], "nowhere is no run folder: there is no such folder"),
        (["embed", "nowhere", "digits"], "nowhere is no run folder"),
        (["runs", "lst"], "did you mean 'ls'?"),
        (["views", "digits", "--images", "0"], "--images must be at least 1"),
        (["mnist:"], "lacks train-images-idx3-ubyte"),
    ],
)
def test_mistakes_end_with_status_2_and_a_remedy(
    words: list[str], message: str, capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    if not message:  # no method at all prints the usage
        with pytest.raises(SystemExit):
            main(words)
        assert (
            "METHOD: byol, deepcluster, deepcluster-v2, simclr, simsiam, supervised, swav, vicreg"
            in capsys.readouterr().out
        )
        return
    assert main(words) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "runs").exists()


def test_a_folder_without_images_and_one_with_too_few(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "notes.txt").write_text("x")
    assert main([str(tmp_path)]) == 2
    assert "no images in" in capsys.readouterr().err
    assert main([str(photos(tmp_path / "few", 3)), "--out", str(tmp_path / "run")]) == 2
    assert "3 training images, fewer than the 32" in capsys.readouterr().err


def test_a_flat_folder_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture):
    folder, out = photos(tmp_path / "my photos"), tmp_path / "run"
    words = [str(folder), "--out", str(out), "--epochs=1", "--width=4", "--threads=1"]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "no labels" in shown
    assert str(out / "embeddings.npy") in shown
    assert np.load(out / "embeddings.npy").shape == (40, 32)
    assert main(words) == 0  # the same command again: everything is there already
    assert main(["runs", "ls", str(tmp_path), "--json"]) == 0
    assert '"status": "finished"' in capsys.readouterr().out
    assert main(["runs", "show", str(out)]) == 0
    assert "verdict:" in capsys.readouterr().out
    assert main(["evaluate", str(out)]) == 2
    assert "has no labels" in capsys.readouterr().err
    assert main(["embed", str(out), str(folder), "--out", str(tmp_path / "again")]) == 0
    assert np.array_equal(np.load(tmp_path / "again" / "embeddings.npy"), np.load(out / "embeddings.npy"))


def test_train_goes_on_from_its_own_configuration(tmp_path: Path, capsys: pytest.CaptureFixture):
    out = tmp_path / "run"
    words = ["train", "simclr", "digits", "--out", str(out), "--epochs=1", "--width=4", "--threads=1"]
    assert main(words) == 0
    assert main(["train", "--config", str(out / "config.toml")]) == 0
    assert main([*words, "--temperature=0.1"]) == 2
    shown = capsys.readouterr().err
    assert "temperature: 0.5 there, 0.1 now" in shown
    assert "name another folder with --out" in shown


def test_evaluation_as_json(photo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    run = shutil.copytree(photo_run, tmp_path / "run")
    assert main(["evaluate", str(run), "--json", "--threads=1"]) == 0
    assert 0 <= json.loads(capsys.readouterr().out)["random.linear"] <= 1


def test_unreadable_files_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture):
    folder = photos(tmp_path / "photos")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff but no picture")
    assert main([str(folder), "--out", str(tmp_path / "run"), "--epochs=1", "--width=4", "--threads=1"]) == 0
    assert "skipped:    1 file, the reasons are in" in capsys.readouterr().out
    assert "broken.jpg,a damaged JPEG image" in (tmp_path / "run" / "skipped.csv").read_text()


def test_views_writes_a_sheet(tmp_path: Path):
    assert main(["views", "digits", "--out", str(tmp_path / "deep" / "sheet.png"), "--images=3", "--views=5"]) == 0
    with Image.open(tmp_path / "deep" / "sheet.png") as sheet:
        assert sheet.size == (6 * 66 + 6, 3 * 66 + 2)


def test_doctor_finds_this_machine_fit(capsys: pytest.CaptureFixture):
    assert main(["doctor"]) == 0
    assert "torch" in capsys.readouterr().out


def test_doctor_examines_images(tmp_path: Path, capsys: pytest.CaptureFixture):
    folder = photos(tmp_path / "photos")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff but no picture")
    assert main(["doctor", str(folder)]) == 0
    shown = capsys.readouterr()
    assert "1 cannot" in shown.out and "'broken.jpg'" in shown.out and shown.err == ""
    assert main(["doctor", str(folder / "broken.jpg"), str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bad"] == 1


def test_doctor_of_nothing_usable(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "a.png").touch()
    assert main(["doctor", str(tmp_path)]) == 1
    assert "0 images can be used, 1 cannot" in capsys.readouterr().out
    assert main(["doctor", str(tmp_path / "nowhere")]) == 2


def test_several_places_are_one_collection(tmp_path: Path, capsys: pytest.CaptureFixture):
    places = [str(photos(tmp_path / name)) for name in ("first", "second")]
    words = ["train", "simclr", *places, "--epochs=1", "--width=4", "--threads=1", "--no-report", "--no-snapshots"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    config = (tmp_path / "run" / "config.toml").read_text()
    assert f'data = ["{places[0]}", "{places[1]}"]' in config
    index = (tmp_path / "run" / "index.csv").read_text()
    assert "first/" in index and "second/" in index
    assert main(["embed", str(tmp_path / "run"), "--threads=1"]) == 0  # reads the places from config.toml
    assert main(["embed", str(tmp_path / "run"), *places, "--out", str(tmp_path / "out"), "--threads=1"]) == 0
    assert (tmp_path / "out" / "index.csv").read_text() == (tmp_path / "run" / "index.csv").read_text()


def test_names_that_the_locale_has_no_letters_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """As with LC_ALL=C and PYTHONUTF8=0, where what a file of UTF-8 says is no name of a file."""
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")

    def dispatch(words: list[str]) -> int:
        raise UnicodeEncodeError("ascii", "fotoğraf", 4, 5, "ordinal not in range(128)")

    monkeypatch.setattr(front_door, "_dispatch", dispatch)
    assert main(["embed", "run"]) == 2
    said = capsys.readouterr().err
    assert "takes the names of files for ascii, and 'fotoğraf' is none: set PYTHONUTF8=1" in said


def test_a_run_that_cannot_be_read_hides_no_other(tmp_path: Path, capsys: pytest.CaptureFixture):
    for name, record in (("a", '{"status": "finished", "images": 3, "started": "now"}'), ("b", ""), ("c", "{}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.toml").write_text('method = "simclr"\n')
        (tmp_path / name / "run.json").write_text(record)
    assert main(["runs", "ls", str(tmp_path), "--json"]) == 0
    out, err = capsys.readouterr()
    assert [row["run"] for row in json.loads(out)] == [str(tmp_path / "a")]
    assert [line.startswith("not listed: ") for line in err.splitlines()] == [True, True]
    assert "b/run.json" in err and "c/run.json" in err
