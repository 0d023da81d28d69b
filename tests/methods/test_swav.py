"""SwAV: codes by Sinkhorn and Knopp by hand, the swapped prediction, prototypes, multi-crop."""

import dataclasses
import math

import pytest
import torch

from lookalike.contract.stand_ins import noise, tiny_method, tiny_options
from lookalike.methods.base import Step, View
from lookalike.methods.swav import sinkhorn


def test_one_iteration_by_hand():
    """exp of the scores is [[4, 1], [2, 1]]: columns 4/6, 1/2 and 2/6, 1/2; then rows to 1."""
    scores = torch.tensor([[4.0, 1.0], [2.0, 1.0]], dtype=torch.float64).log()
    q = sinkhorn(scores, 1.0, 1)
    expected = torch.tensor([[4 / 6, 1 / 2], [2 / 6, 1 / 2]], dtype=torch.float64)
    torch.testing.assert_close(q, expected / expected.sum(1, keepdim=True))


def test_sharp_codes_of_distant_images_by_hand():
    """exp(-0.6 / 0.005) is no float32; beside the largest of each prototype the scores are [[1, e^-20], [e^-20, 1]]."""
    q = sinkhorn(torch.tensor([[-0.6, -0.7], [-0.7, -0.6]]), 0.005, 3)
    far = math.exp(-20) / (1 + math.exp(-20))
    torch.testing.assert_close(q, torch.tensor([[1 - far, far], [far, 1 - far]]), rtol=1e-4, atol=0)


def test_codes_use_prototypes_equally_often():
    scores = torch.randn(64, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).tanh()
    q = sinkhorn(scores, 0.05, 200)
    torch.testing.assert_close(q.sum(1), torch.ones(64, dtype=torch.float64))
    torch.testing.assert_close(q.sum(0), torch.full((8,), 8.0, dtype=torch.float64), rtol=1e-3, atol=0)


def test_the_loss_is_the_swapped_prediction():
    method, _ = tiny_method("swav", prototypes=5, small_crops=1)
    scores = torch.randn(7, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).tanh()
    total = 0.0
    for s in (0, 1):  # codes of the large views, predicted from each other view
        q = sinkhorn(scores[:, s], 0.05, 3)
        for t in (t for t in range(3) if t != s):
            for i in range(7):
                p = torch.softmax(scores[i, t] / 0.1, 0)
                total -= sum(float(q[i, k] * p[k].log()) for k in range(5)) / 7
    assert float(method.loss(scores, torch.arange(7))) == pytest.approx(total / 2 / 2, rel=1e-10)


@pytest.mark.parametrize(("correlation", "grows"), [(0.4, False), (0.6, True)])
def test_scores_nearly_equal_grow_only_where_views_correlate_by_more_than_epsilon_over_tau(correlation, grows):
    """To first order p = (1 + s1 / tau) / K and q = (1 + s0 / epsilon) / K, and the gradient is (p - q) / tau / B / 2.

    With B = K = 4 and 16 scores of d, its product with s1 is d^2 (1 / tau - correlation / epsilon) / tau / 2.
    """
    method, _ = tiny_method("swav", prototypes=4, small_crops=0, epsilon=0.05, temperature=0.1)
    columns, d = torch.tensor([1.0, 1.0, -1.0, -1.0], dtype=torch.float64), 1e-5
    a = torch.outer(torch.tensor([1.0, 1.0, -1.0, -1.0], dtype=torch.float64), columns)
    b = torch.outer(torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64), columns)
    s0, s1 = d * a, d * (correlation * a + math.sqrt(1 - correlation**2) * b)
    scores = torch.stack([s0, s1], 1).requires_grad_()
    loss = method.loss(scores, torch.arange(4))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(method.chance_loss(4), abs=1e-6)
    product = float((scores.grad[:, 1] * s1).sum())
    assert product == pytest.approx(d**2 * (1 / 0.1 - correlation / 0.05) / 0.1 / 2, rel=1e-3)
    assert (product < 0) == grows  # descent goes against the gradient


def test_no_gradient_goes_through_codes():
    method, _ = tiny_method("swav", prototypes=4, small_crops=0)
    scores = torch.randn(6, 2, 4, dtype=torch.float64).tanh().requires_grad_()
    method.loss(scores, torch.arange(6)).backward()
    p, q = torch.softmax(scores[:, 1] / 0.1, -1), sinkhorn(scores[:, 0].detach(), 0.05, 3)
    torch.testing.assert_close(scores.grad[:, 1], (p - q) / 0.1 / 6 / 2)


def test_scores_are_cosines_in_float32_where_the_network_computes_in_bf16():
    """Rounded to bfloat16 a cosine near 0.5 is off by up to 0.001: a tenth of an epsilon of 0.01."""
    method, _ = tiny_method("swav", prototypes=5)
    method.float()
    x, kept = noise(6, seed=3).float(), []
    method.head.register_forward_hook(lambda head, rows, z: kept.append(z))
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        scores = method(x)
    (z,) = kept
    assert z.dtype == torch.bfloat16  # the network's own arithmetic
    z, c = z.double(), method.prototypes.weight.double()
    by_hand = (z @ c.T) / z.norm(dim=1, keepdim=True) / c.norm(dim=1)
    torch.testing.assert_close(scores.double(), by_hand, rtol=0, atol=1e-6)


def test_prototypes_have_length_1_and_stay_in_the_first_epoch():
    method, _ = tiny_method("swav")
    weight = method.prototypes.weight
    torch.testing.assert_close(weight.norm(dim=1), torch.ones(len(weight), dtype=weight.dtype))
    weight.grad = torch.ones_like(weight)
    method.on_gradients(Step(3, 10, 0.3, epoch=1))
    assert weight.grad is not None
    with torch.no_grad():
        weight.mul_(3)
    method.on_step_end(Step(3, 10, 0.3, epoch=1))
    torch.testing.assert_close(weight.norm(dim=1), torch.ones(len(weight), dtype=weight.dtype))
    method.on_gradients(Step(0, 10, 0.0, epoch=0))
    assert weight.grad is None


def test_small_views_are_those_of_the_paper():
    method, _ = tiny_method("swav", image_size=224, small_crops=6)
    assert tuple(method.views) == (View(count=2), View(count=6, size=96, area=(0.05, 0.14)))
    assert method.chance_loss(512) == pytest.approx(math.log(100))


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"prototypes": 1}, "--prototypes must be at least 2, got 1"),
        ({"epsilon": 0.0}, "--epsilon must be positive, got 0.0"),
        ({"small_crop_min": 0.3, "crop_min": 0.2}, "--small-crop-min must be in (0, --crop-min), got 0.3"),
    ],
)
def test_values_that_cannot_be_are_named(said: dict, complaint: str):
    assert list(tiny_options("swav", **said).problems()) == [complaint]


def test_the_largest_area_of_small_views_may_be_a_preset_s():
    """It is known when the images are; 0.15 is below the 0.2 of photos."""
    options = tiny_options("swav", small_crop_min=0.15)
    assert list(options.problems()) == []
    assert list(dataclasses.replace(options, crop_min=0.2).data_problems(64, lambda: 64)) == []
    (complaint,) = options.data_problems(64, lambda: 64)
    assert complaint == "--small-crop-min must be below 0.14 or --crop-min be given, got 0.15"


def test_without_small_views_their_area_is_of_no_concern():
    assert list(tiny_options("swav", small_crops=0, crop_min=0.04).problems()) == []
