"""Documented names of before still work: arguments, classes, a method's processes."""

import inspect

import pytest
import torch

from lookalike import api
from lookalike.clustering import pca_whiten
from lookalike.contract.stand_ins import tiny_method
from lookalike.core import comm, ranks
from lookalike.core.earlier_names import also_called
from lookalike.methods import SINGLE
from lookalike.objectives import cross_entropy, nt_xent


class Counted(comm.Comm):
    """Two processes, of which this one is asked for sums."""

    size = 2

    def __init__(self) -> None:
        self.asked = 0

    def sum(self, x: torch.Tensor) -> torch.Tensor:
        self.asked += 1
        return x.detach()


def test_an_argument_is_taken_by_both_names():
    @also_called("said", "sources")
    def function(first: int, sources: str = "none") -> tuple[int, str]:
        return first, sources

    assert function(1) == (1, "none")
    assert function(1, said="a") == function(1, sources="a") == function(1, "a") == (1, "a")
    with pytest.raises(TypeError, match="other"):
        function(1, other="a")


def test_losses_and_whitening_take_the_processes_by_their_earlier_name():
    processes = Counted()
    logits_BVHK, targets_BH = torch.zeros(3, 1, 1, 4), torch.zeros(3, 1, dtype=torch.int64)
    cross_entropy(logits_BVHK, targets_BH, ranks=processes)
    assert processes.asked == 1
    z_RP, ids_R = torch.eye(4), torch.tensor([0, 0, 1, 1])
    assert nt_xent(z_RP, ids_R, ranks=SINGLE) == nt_xent(z_RP, ids_R, comm=SINGLE)
    x_ND = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(pca_whiten(x_ND, 3, ranks=SINGLE), pca_whiten(x_ND, 3))


@pytest.mark.parametrize(
    ("function", "earlier", "name"), [(api.train, "said", "sources"), (api.evaluate, "ranks", "comm")]
)
def test_whole_jobs_take_arguments_by_their_earlier_names(function, earlier: str, name: str):
    assert name in inspect.signature(function).parameters
    with pytest.raises(TypeError, match="missing"):  # and not that the argument is unexpected
        function(**{earlier: None})


def test_the_module_of_the_processes_and_a_methods_attribute_have_their_earlier_names():
    assert (ranks.Ranks, ranks.ALONE) == (comm.Comm, comm.SINGLE)
    method, _ = tiny_method("simclr")
    assert method.ranks is method.comm is SINGLE
