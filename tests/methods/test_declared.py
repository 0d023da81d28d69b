"""What a method of one's own says wrongly of itself is told before anything is trained, with its place."""

import re
from pathlib import Path
from typing import Any

import pytest

import lookalike
from lookalike.cli.main import main
from lookalike.core import own_code
from lookalike.core.own_code import OwnCodeError
from lookalike.methods.find import find_method

HEAD = """\
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from lookalike.core.options import TrainOptions
from lookalike.core.plan import Plan
from lookalike.methods import SINGLE, Method, View
"""
CLASS = """
class A(Method):
    def setup(self):
        self.head = nn.Linear(self.encoder.out_features, 4)

    def forward(self, x):
        return self.head(self.encoder(x))

    def loss(self, z, targets, comm=SINGLE):
        return comm.share((z[:, 0] - z[:, 1]).square().mean())
"""
SMALL = ["--width=4", "--epochs=1", "--batch-size=20", "--precision=float32", "--threads=1", "--no-report"]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes mine.py with the class A and what is added to its end; the working folder is its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own_code, "_things_by_name", {})

    def write(more: str) -> None:
        Path("mine.py").write_text(HEAD + CLASS + more)

    return write


def options(*lines: str, above: str = "@dataclass(kw_only=True)", base: str = "(TrainOptions)") -> str:
    """A class of options in A."""
    return "\n".join(["", f"    {above}", f"    class Options{base}:", *(f"        {line}" for line in lines), ""])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (options("tau: float = 1.0", base=""), "the class Options of A must, .* inherit lookalike.core.options"),
        (options("tau: float = 1.0", above=""), "A.Options: tau is no option yet: put @dataclass"),
        (options("tau: float"), "A.Options: tau has no default"),
        (options("pair: tuple[int, int] = (3, 4)"), r"A.Options: pair is a tuple\[int, int\]: an option must be"),
        (options("k: Literal[1, 2] = 1"), "A.Options: k is a .*Literal"),
        (options("k: int | str = 1"), "A.Options: k is a int | str"),
        (options("lr: str = 'fast'"), "A.Options: --lr is an option of every method, and float"),
        (options("k: 'Nowhere' = 1"), "A.Options: the type of an option cannot be read"),
        ('\n    presets = {"*": {"lrr": 0.1}}\n', r"A.presets\['\*'\] has 'lrr': did you mean 'lr'"),
        ('\n    presets = {"lr": 0.1}\n', r"A.presets\['lr'\] is 0.1: it must be a dict of options"),
        ('\n    presets = {"*": {"lr": "fast"}}\n', r"A.presets\['\*'\] has lr = 'fast': it must be a number"),
        ('\n    views = ("simclr-small", View())\n', "A.views has 'simclr-small': each must be a View"),
        ("\n    views = (View(count=0),)\n", "mine.py:21: .*must be at least 1"),
        ('\n    views = (View("crop", area=(0.9, 0.1)),)\n', "fractions in .0, 1.$"),
        ("\n    views = (View(3),)\n", "it must be a name that --augment takes"),
    ],
)
def test_a_class_that_says_what_cannot_be(more: str, words: str, written):
    written(more)
    with pytest.raises(OwnCodeError, match=r"mine\.py:\d+: ") as told:
        find_method("mine.py:A")
    assert re.search(words.replace(" | ", r" \| "), str(told.value).removesuffix(")")), told.value


def test_types_that_an_option_can_have(written):
    lines = ["a: bool = False", "b: int | None = None", "c: Literal['x', 'y'] = 'x'", "d: tuple[str, ...] = ()"]
    written(options(*lines, "e: str | tuple[str, ...] = ''", "f: float | None = None", "lr: float | None = 0.5"))
    assert find_method("mine.py:A").Options(f=1.0).lr == 0.5


def test_a_class_from_a_notebook_is_an_estimator_although_nobody_has_its_source():
    shell: dict[str, Any] = {"__name__": "shell"}
    exec(HEAD + CLASS + options("tau: float = 1.0"), shell)
    model = lookalike.Estimator(method=shell["A"], tau=2.0)
    assert model.get_params()["tau"] == 2.0 and "\n    tau: " in str(type(model).__doc__)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('    presets = {"phots": {"lr": 0.1}}', "A.presets is for the unknown preset 'phots': did you mean 'photos'"),
        ("    views = ()", "A.views must have one View at least"),
        ("    def plan(self, epoch, data):\n        pass", "A.plan returned NoneType: it must return a"),
        (
            "    def plan(self, epoch, data):\n        return Plan(torch.arange(9), torch.arange(data.n)[:, None])",
            r"A.plan returned an order_M of shape \[9\], torch.int64: it must be int64 \[M\], M at least",
        ),
        (
            "    def plan(self, epoch, data):\n"
            "        return Plan(torch.arange(data.n) + 5, torch.arange(data.n)[:, None])",
            "A.plan returned an order_M of rows 5 to .*: there are rows 0 to",
        ),
        (
            "    def plan(self, epoch, data):\n        return Plan(torch.arange(data.n), torch.arange(data.n))",
            "A.plan returned a targets_NH of shape",
        ),
        (
            "    def plan(self, epoch, data):\n"
            "        return Plan(torch.arange(data.n), torch.arange(data.n)[:, None], ('head.wait',))",
            "A.plan names 'head.wait' in reset_params: did you mean 'head.weight'",
        ),
        ('    def param_groups(self):\n        return {"heads": {}}', "A.param_groups has 'heads', as no name"),
        (
            '    def param_groups(self):\n        return {"head": {"lrfactor": 2.0}}',
            "A.param_groups has the setting 'lrfactor': did you mean 'lr_factor'",
        ),
        (
            "    def setup(self):\n        self.encoder.requires_grad_(False)",
            "A.setup left no parameter that requires a gradient",
        ),
    ],
)
def test_what_it_makes_is_looked_at_before_the_first_step(
    more: str, words: str, written, photos: Path, capsys: pytest.CaptureFixture
):
    written(f"\n{more}\n")
    assert main(["train", "mine.py:A", str(photos), *SMALL, "--out=run"]) == 2
    told = capsys.readouterr().err
    assert re.search(words, told) and re.search(r"mine\.py:\d+: ", told), told
