"""What cannot be exported is refused with the way out, before anything is written; nothing is ever unpickled."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lookalike.cli.main import main
from lookalike.core.errors import LookalikeError
from lookalike.encoders.base import EncoderSpec
from lookalike.export import base

FORMATS = ["atlas", "huggingface", "onnx", "tensorboard", "timm", "torchvision"]


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


def refused(capsys: pytest.CaptureFixture, *words: object) -> str:
    assert main(["export", *map(str, words)]) == 2
    return capsys.readouterr().err


def test_formats_are_the_modules_and_help_names_them(capsys):
    assert base.formats() == FORMATS
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    said = capsys.readouterr().out
    assert all(f"\n{name} " in said for name in FORMATS)


def test_all_mistakes_of_a_command_line_at_once(photo_run, capsys):
    said = refused(capsys, "--to", "onxx", "--images", 0)
    assert "3 mistakes" in said and "no run named: lookalike export RUN --to FORMAT" in said
    assert "did you mean 'onnx'?" in said and "--images must be at least 1" in said
    assert "no format named: --to atlas, huggingface, onnx" in refused(capsys, photo_run)
    assert "valid: atlas, huggingface" in refused(capsys, photo_run, "--to", "zzz")


def test_a_folder_that_is_no_run(tmp_path, capsys):
    assert "is no run folder: there is no such folder" in refused(capsys, tmp_path / "none", "--to", "onnx")
    assert "config.toml and run.json are not in it" in refused(capsys, tmp_path, "--to", "onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to", FORMATS)
def test_a_pickle_that_is_named_as_the_run_is_not_opened(to, tmp_path, capsys):
    (tmp_path / "model.pt").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    assert "is a file; an export is made of a run folder" in refused(capsys, tmp_path / "model.pt", "--to", to)
    assert not (tmp_path / "sprung").exists()


def test_weights_that_are_named_as_the_run_lead_to_its_folder(photo_run, capsys):
    said = refused(capsys, photo_run / "encoder.safetensors", "--to", "onnx")
    assert f"lookalike export {photo_run}" in said


@pytest.mark.parametrize("to", ["huggingface", "onnx", "timm", "torchvision"])
def test_a_pickle_in_the_place_of_the_weights_is_not_unpickled(to, holding, tmp_path, capsys):
    run = holding(EncoderSpec("convnet", 3, 16, 4))
    run.encoder.write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    assert "is no encoder written by lookalike" in refused(capsys, run.path, "--to", to)
    torch.save({"state_dict": Trap(tmp_path / "sprung")}, run.encoder)
    assert "is no encoder written by lookalike" in refused(capsys, run.path, "--to", to)
    assert not (tmp_path / "sprung").exists() and list((run.path / "export").iterdir()) == []


@pytest.mark.parametrize("to", ["huggingface", "onnx", "timm", "torchvision"])
def test_a_safetensors_file_that_is_no_backbone(to, holding, capsys):
    run = holding(EncoderSpec("convnet", 3, 16, 4))
    save_file({"query.weight": torch.zeros(3, 3)}, run.encoder)
    assert "is no encoder written by lookalike" in refused(capsys, run.path, "--to", to)
    run.encoder.unlink()
    assert "has the run finished its first epoch?" in refused(capsys, run.path, "--to", to)
    assert list((run.path / "export").iterdir()) == []


def test_the_place_is_taken_by_a_file(photo_run, tmp_path, capsys):
    (tmp_path / "taken").write_text("mine")
    said = refused(capsys, photo_run, "--to", "tensorboard", "--out", tmp_path / "taken")
    assert "taken is a file; name a folder with --out" in said
    assert (tmp_path / "taken").read_text() == "mine"


def test_what_lies_in_the_folder_stays_and_files_of_an_export_before_are_replaced(photo_run, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    (out / "tensors.tsv").write_text("old")
    words = ["export", str(photo_run), "--to=tensorboard", "--out", str(out), "--threads=1"]
    assert main(words) == 0
    first = (out / "tensors.tsv").read_bytes()
    assert main(words) == 0
    assert (out / "tensors.tsv").read_bytes() == first != b"old"
    assert (out / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_unknown_format_from_python(photo_run):
    from lookalike.runs.folder import RunFolder

    with pytest.raises(LookalikeError, match="unknown format 'tim': did you mean 'timm'"):
        base.export(RunFolder(photo_run), "tim")
