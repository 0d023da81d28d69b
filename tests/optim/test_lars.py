"""LARS makes the steps of the code released with SimCLR, number by number."""

import copy

import pytest
import torch
from torch import Tensor

from lookalike.optim.lars import LARS


def matrix(*values: float) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor([values], dtype=torch.float64))


def step(optimizer: LARS, w: Tensor, *gradient: float) -> list[float]:
    """Make one step with a given gradient; the new values of `w`."""
    w.grad = torch.tensor(gradient, dtype=w.dtype).view_as(w)
    optimizer.step()
    return w.detach().flatten().tolist()


def test_two_steps_with_one_gradient():
    w = matrix(3, 4)
    optimizer = LARS([w], lr=1.0, weight_decay=0.0)
    assert step(optimizer, w, 0.6, 0.8) == pytest.approx([2.997, 3.996], rel=1e-12)
    # the second ratio is 0.001 * |w| = 0.004995
    assert step(optimizer, w, 0.6, 0.8) == pytest.approx([2.991303, 3.988404], rel=1e-12)


def test_velocity_holds_the_scaled_step():
    w = matrix(3, 4)
    optimizer = LARS([w], lr=1.0, weight_decay=0.0)
    step(optimizer, w, 0.6, 0.8)
    optimizer.param_groups[0]["lr"] = 0.0
    assert step(optimizer, w, 0.6, 0.8) == pytest.approx([2.9943, 3.9924], rel=1e-12)


def test_decay_joins_the_gradient_before_the_ratio():
    w = matrix(3, 4)
    after = step(LARS([w], lr=1.0, weight_decay=0.1), w, 1, 0)
    assert after == pytest.approx([2.9952211, 3.9985296], abs=5e-8)
    assert (4 - after[1]) / (0.1 * 4) == pytest.approx(0.0036760731, rel=1e-8)


def test_zero_weights_move():
    w = matrix(0, 0)
    assert step(LARS([w], lr=0.1, weight_decay=0.1), w, 0.5, -2) == pytest.approx([-0.05, 0.2], rel=1e-12)


def test_zero_gradient_leaves_weights_alone_and_finite():
    w = matrix(3, 4)
    assert step(LARS([w], lr=0.1, weight_decay=0.0), w, 0, 0) == [3, 4]


def test_one_dimensional_parameters_are_neither_decayed_nor_adapted():
    w = torch.nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    assert step(LARS([w], lr=0.1, weight_decay=0.3), w, 0.5) == pytest.approx([1.95], rel=1e-12)


def test_a_group_may_ask_not_to_be_adapted():
    w = matrix(3, 4)
    assert step(LARS([{"params": [w], "adapt": False}], lr=0.1), w, 1, 0) == pytest.approx([2.9, 4], rel=1e-12)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_the_first_step_has_a_length_of_lr_eta_norm(size):
    w = torch.nn.Parameter(torch.arange(1.0, 13.0, dtype=torch.float64).view(3, 4))
    before = w.detach().clone()
    w.grad = size * torch.linspace(-1, 2, 12, dtype=torch.float64).view(3, 4)
    LARS([w], lr=0.7, weight_decay=0.0).step()
    assert (w.detach() - before).norm().item() == pytest.approx(0.7 * 0.001 * before.norm().item(), rel=1e-9)


def test_each_tensor_has_a_ratio_of_its_own():
    w, other = matrix(3, 4), matrix(30, 40)
    optimizer = LARS([w, other], lr=1.0, weight_decay=0.0)
    other.grad = torch.tensor([[0.6, 0.8]], dtype=torch.float64)
    assert step(optimizer, w, 0.6, 0.8) == pytest.approx([2.997, 3.996], rel=1e-12)
    assert other.detach().flatten().tolist() == pytest.approx([29.97, 39.96], rel=1e-12)


def test_parameters_without_gradient_stay():
    w, idle = matrix(3, 4), matrix(5, 6)
    optimizer = LARS([w, idle], lr=1.0, weight_decay=0.1)
    step(optimizer, w, 1, 0)
    assert idle.detach().tolist() == [[5, 6]]
    assert idle not in optimizer.state


def test_a_restored_state_continues_identically():
    w = matrix(3, 4)
    optimizer = LARS([w], lr=0.5, weight_decay=0.1)
    step(optimizer, w, 1, -2)
    saved = copy.deepcopy(optimizer.state_dict())
    twin = torch.nn.Parameter(w.detach().clone())
    restored = LARS([twin], lr=99.0, momentum=0.0, weight_decay=7.0)
    restored.load_state_dict(saved)
    for gradient in ((0.5, 0.5), (-1.0, 3.0)):
        assert step(restored, twin, *gradient) == step(optimizer, w, *gradient)


def test_a_closure_is_evaluated_with_gradients():
    w = matrix(3, 4)
    optimizer = LARS([w], lr=1.0, weight_decay=0.0)

    def closure() -> float:
        loss = (w * torch.tensor([[0.6, 0.8]], dtype=torch.float64)).sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == pytest.approx(5.0)
    assert w.detach().flatten().tolist() == pytest.approx([2.997, 3.996], rel=1e-12)


@pytest.mark.parametrize("name", ["lr", "momentum", "weight_decay"])
def test_negative_settings_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must not be negative"):
        LARS([matrix(1)], **{name: -0.1})
