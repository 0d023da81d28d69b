"""The benchmark of the loss, and its plain PyTorch against ours."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.slow


def test_the_plain_form_is_the_loss(benchmark_of: Callable[[str], Any]):
    nt_xent = benchmark_of("nt_xent")
    found = []
    for loss_of in (nt_xent.ours(), nt_xent.plain()):
        z_RP = torch.randn(12, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
        loss = loss_of(z_RP)
        loss.backward()
        found.append((loss.detach(), z_RP.grad))
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=1e-14)


def test_it_runs(benchmark_of: Callable[[str], Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    benchmark_of("nt_xent").main(["--tiny"])
    told = capsys.readouterr().out
    assert "not measured: --tiny installs no peer" in told
    kept = json.loads((tmp_path / "benchmarks" / "nt_xent.json").read_text())
    assert set(kept["data"]["batches"]["64"]) == {"ours", "plain"}


def test_losses_that_differ_end_it(benchmark_of: Callable[[str], Any]):
    nt_xent = benchmark_of("nt_xent")
    found = {name: {"loss": loss, "seconds": [1.0], "extra_mib": 1.0} for name, loss in (("ours", 1.0), ("plain", 1.1))}
    with pytest.raises(SystemExit, match="the losses differ"):
        nt_xent.row(None, 64, found, {"lightly": "no"}, 1.0)
