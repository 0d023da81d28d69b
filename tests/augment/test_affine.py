"""Affine maps turn, scale, slant and shift about the centre, exactly where pixels fall on pixels."""

import math

import pytest
import torch
from torch import Tensor

from lookalike.augment.affine import RandomAffine, affine, rotation
from lookalike.core import rng

SHAPE = (3, 16, 16)


def images(height: int = 9, width: int = 9) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))


def turn(x_BCHW: Tensor, degrees: float) -> Tensor:
    n = len(x_BCHW)
    return affine(x_BCHW, rotation(torch.full((n,), math.radians(degrees))), torch.zeros(n, 2))


def move(x_BCHW: Tensor, right: float, down: float, forward: list[list[float]] | None = None) -> Tensor:
    forward_22 = torch.eye(2) if forward is None else torch.tensor(forward)
    return affine(
        x_BCHW, forward_22.repeat(len(x_BCHW), 1, 1), torch.tensor([float(right), float(down)]).repeat(len(x_BCHW), 1)
    )


def sample_params(operation: RandomAffine, n: int = 10_000) -> tuple[Tensor, Tensor]:
    return operation.sample_params(rng.uniform(0, "check", 0, torch.arange(n), count=operation.num_uniforms), SHAPE)


@pytest.mark.parametrize(("height", "width"), [(9, 9), (8, 12)])
def test_identity(height, width):
    x_BCHW = images(height, width)
    assert torch.allclose(move(x_BCHW, 0, 0), x_BCHW, atol=1e-5)


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("side", [8, 9])
def test_quarter_turns_are_counter_clockwise(side, quarters):
    x_BCHW = images(side, side)
    assert torch.allclose(turn(x_BCHW, 90 * quarters), torch.rot90(x_BCHW, quarters, (2, 3)), atol=1e-5)


def test_a_small_turn_carries_the_right_upwards():
    x_BCHW = torch.zeros(1, 1, 21, 21)
    x_BCHW[0, 0, 10, 20] = 1.0  # in the middle of the right edge
    turned_HW = turn(x_BCHW, 20)[0, 0]
    assert turned_HW[:10].sum() > 0.9
    assert turned_HW[11:].sum() == 0


def test_a_half_turn_of_an_oblong_image():
    x_BCHW = images(6, 10)
    assert torch.allclose(turn(x_BCHW, 180), x_BCHW.flip(2, 3), atol=1e-5)


@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, 2), (-3, 0), (2, -1)])
def test_a_shift_by_whole_pixels_is_a_roll_that_lets_in_black(right, down):
    x_BCHW = images(6, 10)
    rolled = x_BCHW.roll((down, right), (2, 3))
    rolled[:, :, : max(down, 0)] = 0
    rolled[:, :, 6 + min(down, 0) :] = 0
    rolled[:, :, :, : max(right, 0)] = 0
    rolled[:, :, :, 10 + min(right, 0) :] = 0
    assert torch.allclose(move(x_BCHW, right / 10, down / 6), rolled, atol=1e-5)


def test_a_quarter_turn_of_an_oblong_image_keeps_its_middle_undistorted():
    x_BCHW = images(6, 10)
    middle = x_BCHW[..., 2:8]
    assert torch.allclose(turn(x_BCHW, 90)[..., 2:8], torch.rot90(middle, 1, (2, 3)), atol=1e-5)


def test_the_shift_comes_after_the_turn():
    x_BCHW = images(8, 8)
    moved = affine(x_BCHW, rotation(torch.full((2,), math.pi / 2)), torch.tensor([[0.25, 0.0]]).repeat(2, 1))
    expected = torch.rot90(x_BCHW, 1, (2, 3)).roll(2, 3)
    expected[..., :2] = 0
    assert torch.allclose(moved, expected, atol=1e-5)


def test_doubling_the_size_spreads_the_middle():
    x_BCHW = torch.zeros(1, 1, 8, 8)
    x_BCHW[:, :, 2:6, 2:6] = 1.0
    large_HW = move(x_BCHW, 0, 0, [[2.0, 0.0], [0.0, 2.0]])[0, 0]
    assert large_HW[1:7, 1:7].min() == pytest.approx(1.0)
    assert large_HW.sum() > 3.5 * x_BCHW.sum()


def test_a_slant_moves_rows_against_each_other():
    x_BCHW = torch.zeros(1, 1, 9, 9)
    x_BCHW[..., 4] = 1.0  # an upright stroke
    slanted_HW = move(x_BCHW, 0, 0, [[1.0, 0.5], [0.0, 1.0]])[0, 0]
    assert slanted_HW[[0, 2, 4, 6, 8]].argmax(1).tolist() == [2, 3, 4, 5, 6]


def test_turning_there_and_back_keeps_a_smooth_middle():
    ramp = torch.linspace(0, 1, 33)
    x_BCHW = (ramp[:, None] * ramp).expand(1, 1, 33, 33)
    back = turn(turn(x_BCHW, 25), -25)
    assert torch.allclose(back[..., 8:25, 8:25], x_BCHW[..., 8:25, 8:25], atol=2e-3)


def test_draws_stay_within_their_bounds_and_reach_them():
    forward_B22, shift_B2 = sample_params(RandomAffine(degrees=30, shift=0.1, scale=(0.5, 2.0)))
    scale_B = torch.linalg.det(forward_B22).sqrt()
    angle_B = torch.atan2(forward_B22[:, 0, 1], forward_B22[:, 0, 0]).rad2deg()
    for value_B, low, high in ((scale_B, 0.5, 2.0), (angle_B, -30, 30), (shift_B2, -0.1, 0.1)):
        assert low - 1e-4 <= value_B.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < value_B.max() <= high + 1e-4
    assert scale_B.log().mean().item() == pytest.approx(0, abs=0.016)  # as often halved as doubled
    assert abs(torch.corrcoef(shift_B2.T)[0, 1].item()) < 0.04


def test_shear_alone_slants_horizontally_by_its_angle():
    forward_B22, _ = sample_params(RandomAffine(shear=20))
    assert torch.equal(forward_B22[:, 1], torch.tensor([0.0, 1.0]).expand(len(forward_B22), 2))
    assert forward_B22[:, 0, 1].abs().max().item() == pytest.approx(math.tan(math.radians(20)), rel=1e-3)


def test_the_slant_comes_before_the_turn():
    forward_B22, _ = sample_params(RandomAffine(degrees=30, shear=20))
    across_B, upright_B = forward_B22.norm(dim=1).unbind(1)
    assert torch.allclose(across_B, torch.ones(len(across_B)), atol=1e-5)  # what lies across is turned only
    assert upright_B.max() > 1.05


def test_no_amounts_are_the_identity():
    operation = RandomAffine()
    x_BCHW = images()
    params = operation.sample_params(
        torch.rand(2, operation.num_uniforms, generator=torch.Generator().manual_seed(0)), (3, 9, 9)
    )
    assert torch.allclose(operation.forward(x_BCHW, *params), x_BCHW, atol=1e-5)
