"""Files that were made by somebody else: nothing in them is ever run, and what they are not is said."""

import pickle
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import lookalike
from lookalike import SimCLR
from lookalike.cli.main import main
from lookalike.core.errors import LookalikeError
from lookalike.engine.checkpoint import load_checkpoint
from lookalike.engine.feature_extractor import load_feature_extractor


class Trap:
    """Leaves a file where it was unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.write_text, (self.mark, "it ran")


def traps(folder: Path) -> list[Path]:
    """Files that would leave a mark if they were unpickled: a plain pickle, and one in PyTorch's format."""
    trap = Trap(folder / "mark")
    plain, zipped, nested = (folder / name for name in ("plain.pt", "zipped.pt", "nested.pt"))
    plain.write_bytes(pickle.dumps(trap, protocol=2))  # PyTorch's own protocol
    torch.save(trap, zipped)
    torch.save({"state_dict": {"conv1.weight": torch.zeros(1), "trap": trap}}, nested)
    return [plain, zipped, nested]


def test_the_traps_work(tmp_path: Path):
    for file in traps(tmp_path):
        with suppress(RuntimeError):  # a pickle alone is no checkpoint, which is found out too late
            torch.load(file, weights_only=False)
        assert (tmp_path / "mark").read_text() == "it ran"
        (tmp_path / "mark").unlink()


def test_weights_to_start_from_are_never_unpickled(tmp_path: Path, capsys: pytest.CaptureFixture):
    x = np.zeros((8, 8, 8), np.uint8)
    for file in traps(tmp_path):
        words = ["train", "simclr", "digits", "--init", str(file), "--out", str(tmp_path / "run"), "--threads=1"]
        assert main(words) == 2
        assert "nothing else is ever unpickled" in capsys.readouterr().err
        with pytest.raises(ValueError, match="nothing else is ever unpickled"):
            SimCLR(init=str(file), batch_size=4).fit(x)
        renamed = shutil.copy(file, tmp_path / "renamed.safetensors")
        assert main([*words[:4], str(renamed), *words[5:]]) == 2
        assert "cannot be read as weights" in capsys.readouterr().err
    assert not (tmp_path / "mark").exists()


def test_a_checkpoint_is_never_unpickled(tmp_path: Path):
    for file in traps(tmp_path):
        with pytest.raises(LookalikeError, match="cannot be read as a checkpoint"):
            load_checkpoint(file)
    assert not (tmp_path / "mark").exists()


def test_a_checkpoint_of_a_run_is_never_unpickled(photo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    run = tmp_path / "run"
    shutil.copytree(photo_run, run)
    record = (run / "run.json").read_text().replace('"status": "finished"', '"status": "interrupted"')
    (run / "run.json").write_text(record)
    for file in traps(tmp_path):
        shutil.copy(file, run / "checkpoints" / "last.pt")
        assert main(["train", "--config", str(run / "config.toml"), "--out", str(run), "--threads=1"]) == 2
        assert "cannot be read as a checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "mark").exists()


def test_an_encoder_is_never_unpickled(photo_run: Path, tmp_path: Path):
    run = tmp_path / "run"
    shutil.copytree(photo_run, run)
    for file in traps(tmp_path):
        shutil.copy(file, run / "encoder.safetensors")
        with pytest.raises(LookalikeError, match="is no encoder written by lookalike"):
            lookalike.load(run).embed(np.zeros((1, 20, 20, 3), np.uint8))
    assert not (tmp_path / "mark").exists()


def test_features_are_never_unpickled(photo_run: Path, tmp_path: Path):
    run = tmp_path / "run"
    shutil.copytree(photo_run, run)
    np.save(run / "embeddings.npy", np.array([Trap(tmp_path / "mark")], dtype=object), allow_pickle=True)
    with pytest.raises(LookalikeError, match="cannot read"):
        _ = lookalike.load(run).features
    (run / "embeddings.npy").write_bytes(pickle.dumps(Trap(tmp_path / "mark")))
    with pytest.raises(LookalikeError, match="cannot read"):
        _ = lookalike.load(run).features
    assert not (tmp_path / "mark").exists()


def test_a_safetensors_file_that_is_no_backbone(photo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    other = tmp_path / "words.safetensors"
    save_file({"embedding.weight": torch.zeros(3, 2)}, other)
    with pytest.raises(LookalikeError, match=r"is no encoder written by lookalike: KeyError\('encoder'\)"):
        load_feature_extractor(other, "cpu")
    words = ["train", "simclr", "digits", "--init", str(other), "--out", str(tmp_path / "run"), "--threads=1"]
    assert main(words) == 2
    assert "does not fit ConvNet" in capsys.readouterr().err
    # the right metadata around the wrong weights, and the right name for an unknown network
    from safetensors import safe_open

    with safe_open(photo_run / "encoder.safetensors", "pt") as file:
        metadata = file.metadata()
    save_file({"embedding.weight": torch.zeros(3, 2)}, other, metadata)
    with pytest.raises(LookalikeError, match="does not fit convnet"):
        load_feature_extractor(other, "cpu")
    for key, value in (("encoder", "word2vec"), ("channels", "many"), ("mean", "__import__('os')")):
        save_file({}, other, {**metadata, key: value})
        with pytest.raises(LookalikeError, match=r"unknown encoder|is no encoder"):
            load_feature_extractor(other, "cpu")


def test_a_cut_encoder(photo_run: Path, tmp_path: Path):
    whole = (photo_run / "encoder.safetensors").read_bytes()
    for size in (0, 7, 100, len(whole) - 1):
        (tmp_path / "cut.safetensors").write_bytes(whole[:size])
        with pytest.raises(LookalikeError, match="is no encoder written by lookalike"):
            load_feature_extractor(tmp_path / "cut.safetensors", "cpu")
