"""SimSiam: the loss by hand, where no gradient goes, the constant rate of the predictor."""

import pytest
import torch
from torch import nn

from lookalike.contract.stand_ins import noise, tiny_method
from lookalike.methods.simsiam import Outputs
from lookalike.optim.groups import build_optimizer, set_rate


def test_the_loss_by_hand():
    """D is minus the cosine of a prediction with the other view's projection: -1 and 0 here, then 0.6 and 0.8."""
    p = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]])
    z = torch.tensor([[[1.0, 0.0], [2.0, 0.0]], [[-0.8, 0.6], [-0.6, 0.8]]])
    method, _ = tiny_method("simsiam")
    assert float(method.loss(Outputs(p, z), torch.arange(2))) == pytest.approx((-1 / 2 + 0 + (0.6 + 0.8) / 2) / 2)


def test_no_gradient_goes_through_the_projection():
    method, _ = tiny_method("simsiam")
    out = method(noise(4, seed=0))
    assert out.p.requires_grad and not out.z.requires_grad
    torch.testing.assert_close(out.p, method.predictor(out.z))


def test_the_projector_ends_in_a_norm_without_weights_and_the_predictor_is_a_bottleneck():
    method, _ = tiny_method("simsiam", norm="batch", head_size=16)
    linears = [m for m in method.head.modules() if isinstance(m, nn.Linear)]
    assert len(linears) == 3
    assert isinstance(method.head[-1], nn.BatchNorm1d) and method.head[-1].weight is None
    assert [m.out_features for m in method.predictor.modules() if isinstance(m, nn.Linear)] == [4, 16]


def test_the_rate_of_the_predictor_is_constant():
    method, _ = tiny_method("simsiam")
    optimizer = build_optimizer(method, "sgd", 0.1, 0.9, 1e-4, method.param_groups())
    set_rate(optimizer, 0.01, 0.1)
    rates = {name.partition(".")[0]: g["lr"] for g in optimizer.param_groups for name in g["names"]}
    assert rates == {"encoder": 0.01, "head": 0.01, "predictor": 0.1}
