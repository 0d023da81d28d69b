"""A method, a loss and an augmentation of one's own: from a file, a module, an entry point and from Python."""

import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

import lookalike
from lookalike.cli.main import main
from lookalike.core import method_facts, own_code
from lookalike.core.errors import LookalikeError
from lookalike.core.own_code import OwnCodeError
from lookalike.engine.checkpoint import load_checkpoint
from lookalike.methods import find
from lookalike.methods.find import find_method, name_of
from lookalike.methods.simclr import SimCLR
from lookalike.runs.folder import RunFolder

MINE = '''\
from dataclasses import dataclass

import helper
from lookalike.methods import SINGLE, Comm, Method
from lookalike.methods.projector import ProjectorOptions, projector


class Agreeing(Method):
    """Views agree, and no more."""

    title = "Agreeing views"
    presets = {"*": {"lr": 0.01}}

    @dataclass(kw_only=True)
    class Options(ProjectorOptions):
        """Let two views agree."""

        force: float = 1.0
        """How much they shall."""

    def setup(self):
        self.head = projector(self.encoder, self.options)

    def forward(self, x):
        return self.head(self.encoder(x))

    def loss(self, z, targets, comm: Comm = SINGLE):
        return comm.share(self.options.force * helper.apart(z))
'''
HELPER = "def apart(z):\n    return (z[:, 0] - z[:, 1]).square().mean() + (1 - z.std((0, 1))).square().mean()\n"
IMPORT = "from lookalike.methods import Method\n"
SMALL = ["--width=4", "--epochs=1", "--batch-size=20", "--precision=float32", "--threads=1", "--no-report"]


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a method, beside one that it imports; the working folder is theirs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "helper.py").write_text(HELPER)
    monkeypatch.setattr(own_code, "_things_by_name", {})
    monkeypatch.delitem(sys.modules, "helper", raising=False)
    return tmp_path / "mine.py"


def digits(n: int = 80) -> np.ndarray:
    from sklearn.datasets import load_digits

    return (load_digits().images[:n] * 15).astype(np.uint8)


def test_a_method_in_a_file_trains_embeds_and_goes_on(mine: Path, photos: Path, capsys: pytest.CaptureFixture):
    assert main(["train", "mine.py:Agreeing", str(photos), *SMALL, "--force=2"]) == 0
    assert "runs/agreeing-photos" in capsys.readouterr().out
    run = RunFolder(Path("runs/agreeing-photos"))
    assert run.settings()["method"] == "mine.py:Agreeing" and run.settings()["force"] == 2.0
    assert run.settings()["lr"] == 0.01  # its own, not that of the preset
    assert run.status().method_title == "Agreeing views" and run.status().with_labels is False
    assert load_checkpoint(run.checkpoint)["architecture"]["method"] == "Agreeing"
    assert main(["train", "--config", str(run.config)]) == 0
    assert main(["embed", str(run.path), str(photos), "--out", "more.npy"]) == 0
    assert main(["report", str(run.path)]) == 0
    assert "Agreeing views trained" in run.report.read_text(encoding="utf-8")


def test_a_run_is_read_from_another_folder(mine: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert main(["train", "mine.py", str(photos), *SMALL, "--out=run"]) == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(own_code, "_things_by_name", {})
    assert main(["embed", str(tmp_path / "run"), str(photos), "--out", "more.npy"]) == 0
    assert main(["train", "--config", str(tmp_path / "run" / "config.toml")]) == 0


def test_its_options_have_help(mine: Path, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        main(["train", "mine.py:Agreeing", "--help"])
    shown = capsys.readouterr().out
    assert "Let two views agree." in shown and "--force NUMBER" in shown and "How much they shall." in shown


def test_a_module_that_python_can_import(mine: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(mine.parent))
    kind = find_method("python:mine:Agreeing")
    assert kind.title == "Agreeing views" and find_method(kind) is kind
    assert name_of(kind) == "python:mine:Agreeing"
    monkeypatch.delitem(sys.modules, "mine")


def test_a_name_that_a_package_has_registered(mine: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(mine.parent))
    point = EntryPoint("agreeing", "mine:Agreeing", method_facts.METHOD_GROUP)

    def points(group: str, name: str) -> list[EntryPoint]:
        assert group == "lookalike.methods"
        return [point] if name == "agreeing" else []

    monkeypatch.setattr(find, "entry_points", points)
    monkeypatch.setattr(method_facts, "entry_points", points)
    assert find_method("agreeing").title == "Agreeing views"
    assert method_facts.is_method("agreeing") and not method_facts.is_method("agreed")
    monkeypatch.delitem(sys.modules, "mine")


def test_from_python_as_a_class(mine: Path, tmp_path: Path):
    kind = find_method("mine.py:Agreeing")
    run = lookalike.train(kind, digits(), out=str(tmp_path / "run"), epochs=1, width=4, batch_size=20, force=0.5)
    assert run.features.shape == (80, 32)
    assert run.settings["method"] == "mine.py:Agreeing" and run.settings["force"] == 0.5
    again = lookalike.train(kind, digits(), out=str(tmp_path / "run"), epochs=1, width=4, batch_size=20, force=0.5)
    assert np.array_equal(again.features, run.features)
    with pytest.raises(TypeError, match="has no option 'forces': did you mean 'force'"):
        lookalike.train(kind, digits(), forces=1)


def test_an_estimator_of_any_method(mine: Path):
    model = lookalike.Estimator(method="mine.py:Agreeing", epochs=1, width=4, batch_size=20, force=0.5)
    assert model.get_params()["force"] == 0.5 and "--" not in type(model).__doc__
    assert model.fit_transform(digits()).shape == (80, 32)
    assert type(lookalike.Estimator(method=SimCLR)) is lookalike.SimCLR
    with pytest.raises(TypeError, match="no parameter 'forces'"):
        lookalike.Estimator(method="mine.py:Agreeing", forces=1)


# -- a loss ---------------------------------------------------------------------------------------------


def own_loss(z_RP: Tensor, ids_R: Tensor) -> Tensor:
    """The mean distance of views of one image, less that of others."""
    far_RR = torch.cdist(z_RP, z_RP)
    same_RR = ids_R[:, None] == ids_R
    return far_RR[same_RR].mean() - far_RR[~same_RR].mean() / 2


def test_a_loss_of_ones_own_in_simclr(tmp_path: Path):
    said = {"epochs": 1, "width": 4, "batch_size": 20, "threads": 1}
    one = lookalike.train("simclr", digits(), loss=own_loss, out=str(tmp_path / "one"), **said)
    usual = lookalike.train("simclr", digits(), out=str(tmp_path / "usual"), **said)
    assert not np.array_equal(one.features, usual.features)
    assert one.settings["loss"].endswith("test_own_code:own_loss") and "loss" not in usual.settings
    model = lookalike.SimCLR(loss=own_loss, **said).fit(digits())
    assert np.isfinite(model.transform(digits(3))).all()


def test_a_loss_in_a_file(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("losses.py").write_text("def small(z, ids):\n    return z.square().mean()\n")
    assert main(["train", "simclr", str(photos), *SMALL, "--loss=losses.py:small", "--out=run"]) == 0
    assert RunFolder(Path("run")).settings()["loss"] == "losses.py:small"
    Path("losses.py").write_text("def small(z, ids):\n    return z.square()\n")
    monkeypatch.setattr(own_code, "_things_by_name", {})
    with pytest.raises(OwnCodeError, match=r"returned a tensor of shape \[40, 128\]"):
        lookalike.train("simclr", str(photos), loss="losses.py:small", epochs=1, width=4, batch_size=20)


# -- what is wrong with it ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "name", "words"),
    [
        ("x = (", "mine.py:A", "mine.py:1: .*mine.py cannot be imported (SyntaxError: "),
        ("import torch\nx = 1 / 0\n", "mine.py:A", "mine.py:2: .*cannot be imported (ZeroDivisionError: division"),
        ("import sys\nsys.exit(0)\n", "mine.py:A", "mine.py:2: .*cannot be imported (SystemExit: 0"),
        ("import not_there\n", "mine.py:A", "mine.py:1: .*cannot be imported (ModuleNotFoundError: No module"),
        ("\nclass A:\n    pass\n", "mine.py:A", "mine.py:2: A is no method: it must be a subclass of"),
        ("\ndef A():\n    pass\n", "mine.py:A", "mine.py:2: 'A' is no class"),
        (f"{IMPORT}class A(Method):\n    pass\n", "mine.py:A", "mine.py:2: A has no forward"),
        (IMPORT, "mine.py:A", "mine.py has no 'A'"),
        (IMPORT, "mine.py", "mine.py has nothing that could be meant"),
        ("", "there.py:A", "there is no file .*there.py: name one that is there"),
        ("", "python:not_there.mine:A", "Python finds no module 'not_there'"),
        ("", "bylo", "unknown method 'bylo'"),
    ],
)
def test_code_that_cannot_be_used_is_told_in_a_sentence_with_its_place(
    code: str, name: str, words: str, mine: Path, photos: Path, capsys: pytest.CaptureFixture
):
    mine.write_text(code)
    assert main(["train", name, str(photos)]) == 2
    told = capsys.readouterr().err
    assert re.search(words.replace("(", r"\(").replace("[", r"\["), told), told
    assert "Traceback" not in told and len(told.strip().splitlines()) == 1


def test_what_a_notebook_does_not_have_any_more_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "notebook_of_mine", ModuleType("notebook_of_mine"))
    with pytest.raises(LookalikeError, match="the module notebook_of_mine has no 'A'"):
        find_method("python:notebook_of_mine:A")


def test_debug_shows_the_traceback(mine: Path, photos: Path, capsys: pytest.CaptureFixture):
    mine.write_text("x = 1 / 0\n")
    assert main(["train", "mine.py:A", str(photos), "--debug"]) == 2
    told = capsys.readouterr().err
    assert "Traceback" in told and "ZeroDivisionError" in told and "own_code.py" in told


def test_a_loss_that_is_not_finite_is_told_with_its_place(mine: Path, photos: Path, capsys: pytest.CaptureFixture):
    mine.write_text(MINE.replace("return comm.share(", "return float('nan') * comm.share("))
    assert main(["train", "mine.py:Agreeing", str(photos), *SMALL]) == 2
    told = capsys.readouterr().err
    line = 1 + MINE.splitlines().index("    def loss(self, z, targets, comm: Comm = SINGLE):")
    assert f"mine.py:{line}" in told and "nan" in told


def test_a_function_that_is_in_no_module_is_known_to_this_process_alone(monkeypatch: pytest.MonkeyPatch):
    def local() -> None:
        pass

    monkeypatch.setattr(own_code, "_things_by_name", {})

    name = own_code.name_of(local)
    assert own_code.find(name) is local
    with pytest.raises(LookalikeError, match="has no"):
        own_code._things_by_name.clear()
        own_code.find(name)
