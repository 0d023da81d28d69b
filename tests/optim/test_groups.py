"""Matrices and kernels decay, biases and normalisation parameters do not, and names follow parameters."""

import pytest
import torch
from torch import nn

from lookalike.optim.groups import build_optimizer, forget, make_step, parameter_groups, set_rate
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


def body_and_head() -> nn.Module:
    module = nn.Module()
    module.body, module.head = nn.Linear(3, 4), nn.Linear(4, 2)
    return module


OWN = {"head.": {"lr_factor": 0.5, "momentum": 0.0, "weight_decay": 0.2}}


def test_parameters_with_settings_of_their_own_make_groups_of_their_own():
    groups = parameter_groups(body_and_head(), 0.1, OWN)
    assert [group["names"] for group in groups] == [["body.weight"], ["body.bias"], ["head.weight"], ["head.bias"]]
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0, 0.2, 0.0]
    assert [group["lr_factor"] for group in groups] == [1.0, 1.0, 0.5, 0.5]
    assert [group.get("momentum") for group in groups] == [None, None, 0.0, 0.0]


def test_settings_that_are_not_given_are_those_of_all():
    groups = parameter_groups(body_and_head(), 0.1, {"head.": {"lr_factor": 2.0}})
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0, 0.1, 0.0]


def test_a_name_that_only_contains_the_beginning_is_not_meant():
    module = nn.Module()
    module.head, module.ahead = nn.Linear(2, 2, bias=False), nn.Module()
    module.ahead.head = nn.Linear(2, 2, bias=False)
    groups = parameter_groups(module, 0.1, OWN)
    assert [group["names"] for group in groups] == [["ahead.head.weight"], ["head.weight"]]


@pytest.mark.parametrize("name", ["sgd", "lars", "adamw"])
def test_the_rate_is_multiplied_by_each_group_s_factor(name: str):
    optimizer = build_optimizer(body_and_head(), name, lr=1.0, momentum=0.9, weight_decay=0.1, overrides=OWN)
    set_rate(optimizer, 0.3, peak=1.0)
    assert [group["lr"] for group in optimizer.param_groups] == [0.3, 0.3, 0.15, 0.15]
    set_rate(optimizer, 0.2, peak=1.0)  # from the schedule's rate each time, not from the one before
    assert [group["lr"] for group in optimizer.param_groups] == [0.2, 0.2, 0.1, 0.1]


def test_a_constant_group_stays_at_the_peak():
    own = {"head.": {"lr_factor": 0.5, "constant": True}}
    optimizer = build_optimizer(body_and_head(), "sgd", lr=1.0, momentum=0.9, weight_decay=0.1, overrides=own)
    set_rate(optimizer, 0.1, peak=1.0)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.1, 0.5, 0.5]


@pytest.mark.parametrize("name", ["sgd", "lars", "adamw"])
def test_one_step_follows_the_settings_of_each_group(name: str):
    """A head of its own settings moves as it would under an optimiser of its own."""
    both, alone = body_and_head(), body_and_head()
    alone.load_state_dict(both.state_dict())
    optimizer = build_optimizer(both, name, lr=0.3, momentum=0.9, weight_decay=0.1, overrides=OWN)
    separate = build_optimizer(alone.head, name, lr=0.15, momentum=0.0, weight_decay=0.2)
    set_rate(optimizer, 0.3, peak=1.0)
    for _ in range(3):
        for module in (both, alone):
            for p in module.parameters():
                p.grad = 0.1 * torch.arange(1.0, p.numel() + 1).view_as(p)
        optimizer.step()
        separate.step()
    torch.testing.assert_close(both.head.weight, alone.head.weight)
    torch.testing.assert_close(both.head.bias, alone.head.bias)


@pytest.mark.parametrize("name", ["sgd", "lars", "adamw"])
def test_what_is_forgotten_starts_as_if_new(name: str):
    module = body_and_head()
    optimizer = build_optimizer(module, name, lr=0.3, momentum=0.9, weight_decay=0.0)
    for p in module.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    forget(optimizer, [module.head.weight, module.head.bias])
    assert set(optimizer.state) == {module.body.weight, module.body.bias}
    fresh = build_optimizer(module.head, name, lr=0.3, momentum=0.9, weight_decay=0.0)
    before = module.head.weight.detach().clone()
    optimizer.step()
    moved = module.head.weight.detach().clone()
    with torch.no_grad():
        module.head.weight.copy_(before)
    fresh.step()
    torch.testing.assert_close(module.head.weight.detach(), moved)


def test_what_was_never_remembered_can_be_forgotten():
    module = body_and_head()
    optimizer = build_optimizer(module, "sgd", lr=0.3, momentum=0.9, weight_decay=0.0)
    forget(optimizer, module.head.parameters())
    assert len(optimizer.state) == 0


@pytest.mark.parametrize("name", ["sgd", "lars", "adamw"])
def test_what_an_optimiser_remembers_never_stays_subnormal(name: str):
    """The momentum of a unit that gets no more gradients, which would make each later step several times as slow."""
    layer = nn.Linear(8, 8)
    optimizer = build_optimizer(layer, name, lr=0.1, momentum=0.9, weight_decay=0.0)
    tiny = torch.finfo(torch.float32).tiny
    subnormal = []
    for number in range(1500):
        for p in layer.parameters():
            p.grad = torch.full_like(p, 0.01 if number == 0 else 0.0)
        make_step(optimizer, number)
        values = [v for state in optimizer.state.values() for v in state.values() if v.ndim]
        subnormal.append(any(bool(((v != 0) & (v.abs() < tiny)).any()) for v in values))
    assert any(subnormal)  # else this test has nothing to find
    assert not subnormal[-1]
