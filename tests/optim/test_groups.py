"""Matrices and kernels decay, biases and normalisation parameters do not, and names follow parameters."""

import pytest
import torch
from torch import nn

from lookalike.optim.groups import build_optimizer, parameter_groups
from lookalike.optim.lars import LARS


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def test_groups_by_dimension():
    decayed, plain = parameter_groups(network(), 0.1)
    assert decayed["names"] == ["0.weight", "3.weight"]
    assert plain["names"] == ["0.bias", "1.weight", "1.bias", "3.bias"]
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)


def test_names_stand_in_the_order_of_the_parameters():
    module = network()
    named = dict(module.named_parameters())
    for group in parameter_groups(module, 0.1):
        for name, parameter in zip(group["names"], group["params"], strict=True):
            assert parameter is named[name]


def test_frozen_parameters_are_left_out():
    module = network()
    module[0].requires_grad_(False)
    names = [name for group in parameter_groups(module, 0.1) for name in group["names"]]
    assert names == ["3.weight", "1.weight", "1.bias", "3.bias"]


def test_an_empty_group_is_left_out():
    (group,) = parameter_groups(nn.BatchNorm2d(4), 0.1)
    assert group["names"] == ["weight", "bias"]
    assert group["weight_decay"] == 0.0


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("lars", LARS), ("adamw", torch.optim.AdamW)])
def test_optimizers_by_name(name, kind):
    optimizer = build_optimizer(network(), name, lr=0.3, momentum=0.8, weight_decay=0.1)
    assert type(optimizer) is kind
    assert [(g["lr"], g["weight_decay"]) for g in optimizer.param_groups] == [(0.3, 0.1), (0.3, 0.0)]
    if name != "adamw":
        assert [g["momentum"] for g in optimizer.param_groups] == [0.8, 0.8]


def test_sgd_is_nesterov_where_there_is_momentum():
    for momentum in (0.9, 0.0):
        optimizer = build_optimizer(network(), "sgd", lr=0.3, momentum=momentum, weight_decay=0.1)
        assert optimizer.param_groups[0]["nesterov"] is (momentum > 0)


def test_lars_through_the_groups_decays_matrices_only():
    module = nn.Linear(2, 1).double()
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[3.0, 4.0]]))
        module.bias.fill_(2.0)
    module.weight.grad = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    module.bias.grad = torch.tensor([0.5], dtype=torch.float64)
    build_optimizer(module, "lars", lr=1.0, momentum=0.9, weight_decay=0.1).step()
    assert module.weight[0].tolist() == pytest.approx([2.9952211, 3.9985296], abs=5e-8)
    assert module.bias.item() == pytest.approx(1.5)


def test_unknown_name_is_refused():
    with pytest.raises(ValueError, match="sgd, lars or adamw, got 'adam'"):
        build_optimizer(network(), "adam", lr=0.3, momentum=0.9, weight_decay=0.1)
