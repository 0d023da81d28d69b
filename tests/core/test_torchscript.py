"""A function that runs without Python's lock gives what it gives with it, also where there is no TorchScript."""

import warnings

import pytest
import torch

from lookalike.augment.color import _act_
from lookalike.core.torchscript import torchscript


def halved(x: torch.Tensor, times: int) -> torch.Tensor:
    for _ in range(times):
        x = x / 2
    return x


def nothing_for_torchscript(x: torch.Tensor, *more: int) -> torch.Tensor:
    return x * sum(more)


def test_the_result_is_the_functions_own_and_nobody_is_warned():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torchscript(halved)(torch.tensor(8.0), 3) == 1


def test_what_cannot_be_translated_runs_as_it_is():
    assert torchscript(nothing_for_torchscript)(torch.tensor(2.0), 1, 2) == 6


def test_without_torchscript_it_runs_as_it_is(monkeypatch: pytest.MonkeyPatch):
    def gone(function: object) -> None:
        raise AttributeError("torch.jit is no more")

    monkeypatch.setattr(torch.jit, "script", gone)
    assert torchscript(halved)(torch.tensor(8.0), 3) == 1


def test_the_colour_jitter_can_be_translated_and_keeps_every_bit():
    translated = torch.jit.script
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        script = translated(_act_.__wrapped__)
    assert isinstance(script, torch.jit.ScriptFunction)
    generator = torch.Generator().manual_seed(0)
    x, shift = torch.rand(20, 3, 9, 7, generator=generator), torch.rand(20, 1, 1, 1, generator=generator) - 0.5
    shares = torch.rand(3, 18, 3, generator=generator)
    found, expected = x.clone(), x.clone()
    for _ in range(3):  # TorchScript changes what it runs after the first calls
        script(found, [0, 4, 9, 9, 18], shift, shares, True, 4)
        _act_.__wrapped__(expected, [0, 4, 9, 9, 18], shift, shares, True, 4)
        assert torch.equal(found, expected)
