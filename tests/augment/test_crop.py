"""Random resized crop draws boxes as torchvision does and resizes them by an antialiased triangle."""

import math

import pytest
import torch
from torch import Tensor

from lookalike.augment.crop import RandomResizedCrop
from lookalike.core import rng
from lookalike.core.resample import resize_matrix, resized_crop


def images(height: int = 12, width: int = 12) -> Tensor:
    return torch.rand(3, 2, height, width, generator=torch.Generator().manual_seed(0))


def boxes(operation: RandomResizedCrop, height: int, width: int, n: int = 10_000) -> tuple[Tensor, ...]:
    """Tops, lefts, heights and widths of many draws."""
    u_BU = rng.uniform(0, "check", 0, torch.arange(n), count=operation.num_uniforms)
    (box_B4,) = operation.sample_params(u_BU, (3, height, width))
    assert box_B4.dtype == torch.int64
    return box_B4.unbind(1)


def test_the_whole_box_at_its_own_size_is_the_identity():
    x_BCHW = images()
    assert torch.equal(resized_crop(x_BCHW, torch.tensor([0, 0, 12, 12]).repeat(3, 1), 12), x_BCHW)


def test_a_box_of_the_output_size_is_a_slice():
    x_BCHW = images(12, 20)
    box_B4 = torch.tensor([[0, 0, 5, 5], [7, 15, 5, 5], [3, 8, 5, 5]])
    out = resized_crop(x_BCHW, box_B4, 5)
    for k, (top, left) in enumerate(box_B4[:, :2].tolist()):
        assert torch.equal(out[k], x_BCHW[k, :, top : top + 5, left : left + 5])


def test_halving_is_the_triangle_over_four_pixels():
    ramp_HW = torch.arange(8.0).expand(8, 8)[None, None]
    out = resized_crop(ramp_HW, torch.tensor([[0, 0, 8, 8]]), 4)[0, 0]
    assert out[0].tolist() == pytest.approx([5 / 7, 2.5, 4.5, 7 - 5 / 7], abs=1e-6)
    assert torch.allclose(out, out[:1].expand(4, 4))


def test_pixels_outside_of_the_box_have_no_weight():
    weight_BSS = resize_matrix(torch.tensor([3]), torch.tensor([6]), 12, 4)
    assert (weight_BSS[0, :, :3] == 0).all()
    assert (weight_BSS[0, :, 9:] == 0).all()
    assert (weight_BSS[0, :, 3:9].sum(0) > 0).all()


@pytest.mark.parametrize("size_out", [1, 5, 12, 40])
def test_weights_sum_to_one_and_are_not_negative(size_out):
    start_B, length_B = torch.tensor([0, 3, 11, 4]), torch.tensor([12, 7, 1, 2])
    weight_BSS = resize_matrix(start_B, length_B, 12, size_out)
    assert (weight_BSS >= 0).all()
    assert torch.allclose(weight_BSS.sum(2), torch.ones(4, size_out), atol=1e-6)


@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.4, 0.6)])
def test_area_and_aspect_stay_within_their_bounds(scale):
    side = 1000  # so that rounding to whole pixels is small
    _, _, height_B, width_B = boxes(RandomResizedCrop(32, scale), side, side)
    area_B = height_B * width_B / side**2
    ratio_B = width_B / height_B
    assert scale[0] * 0.995 < area_B.min() < scale[0] * 1.1
    assert area_B.max() <= scale[1] * 1.005
    assert 3 / 4 * 0.995 < ratio_B.min() < 0.76
    assert 1.32 < ratio_B.max() < 4 / 3 * 1.005


def test_area_is_uniform_and_aspect_log_uniform_where_every_box_fits():
    _, _, height_B, width_B = boxes(RandomResizedCrop(32, (0.1, 0.5)), 1000, 1000)
    area_B = height_B * width_B / 1e6
    assert area_B.mean().item() == pytest.approx(0.3, abs=0.005)
    assert area_B.var().item() == pytest.approx(0.4**2 / 12, rel=0.05)
    assert (width_B / height_B).log().mean().item() == pytest.approx(0, abs=0.007)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (5, 40), (40, 5), (1, 1), (2, 3)])
def test_boxes_lie_inside_of_the_image(height, width):
    top_B, left_B, height_B, width_B = boxes(RandomResizedCrop(8), height, width, 2000)
    for start_B, length_B, side in ((top_B, height_B, height), (left_B, width_B, width)):
        assert start_B.min() >= 0
        assert length_B.min() >= 1
        assert (start_B + length_B).max() <= side


def test_corners_reach_every_place():
    operation = RandomResizedCrop(8, (0.25, 0.25), (1.0, 1.0))
    top_B, left_B, height_B, width_B = boxes(operation, 8, 8)
    assert set(height_B.tolist()) == set(width_B.tolist()) == {4}
    counts = torch.bincount(top_B * 5 + left_B, minlength=25)
    assert counts.min() > 320  # 400 expected of each
    assert counts.max() < 480


@pytest.mark.parametrize(("height", "width", "box"), [(100, 1000, [0, 433, 100, 133]), (1000, 100, [433, 0, 133, 100])])
def test_where_no_box_fits_the_largest_central_one_is_taken(height, width, box):
    drawn = torch.stack(boxes(RandomResizedCrop(8, (0.9, 1.0)), height, width, 50), 1)
    assert drawn.tolist() == [box] * 50


def test_the_whole_square_is_drawn_at_scale_one():
    drawn = torch.stack(boxes(RandomResizedCrop(8, (1.0, 1.0), (1.0, 1.0)), 16, 16, 50), 1)
    assert drawn.tolist() == [[0, 0, 16, 16]] * 50


def test_mean_area_of_the_default_is_that_of_torchvision():
    _, _, height_B, width_B = boxes(RandomResizedCrop(32), 1000, 1000)
    direct = torchvision_areas(10_000)
    assert (height_B * width_B / 1e6).mean().item() == pytest.approx(sum(direct) / len(direct), abs=0.01)


def torchvision_areas(n: int) -> list[float]:
    """Areas as torchvision's RandomResizedCrop.get_params draws them, written out."""
    generator = torch.Generator().manual_seed(0)
    u_NAU = torch.rand(n, 10, 2, generator=generator).tolist()
    areas = []
    for attempts in u_NAU:
        area = 1.0
        for u, v in attempts:
            target = 0.08 + 0.92 * u
            ratio = math.exp(math.log(3 / 4) + v * (math.log(4 / 3) - math.log(3 / 4)))
            if math.sqrt(target * ratio) <= 1 and math.sqrt(target / ratio) <= 1:
                area = target
                break
        areas.append(area)
    return areas
