"""Cross-entropy of heads and views, against torch, by hand, and where nothing is asked."""

import math

import pytest
import torch
import torch.nn.functional as F

from lookalike.objectives.cross_entropy import IGNORED, cross_entropy


def logits(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


TARGETS = torch.tensor([[0, 3], [1, 1], [2, 0], [3, 2], [0, 0]])


def test_one_head_and_one_view_are_torch_s():
    x = logits(5, 1, 1, 4)
    expected = F.cross_entropy(x[:, 0, 0], TARGETS[:, 0])
    torch.testing.assert_close(cross_entropy(x, TARGETS[:, :1]), expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_views_and_heads_by_hand(smoothing: float):
    x = logits(5, 3, 2, 4)
    total = 0.0
    for image in range(5):
        for view in range(3):
            for head in range(2):
                row = x[image, view, head].tolist()
                norm = math.log(sum(math.exp(value) for value in row))
                wanted = [smoothing / 4] * 4
                wanted[int(TARGETS[image, head])] += 1 - smoothing
                total -= sum(share * (value - norm) for share, value in zip(wanted, row, strict=True))
    assert float(cross_entropy(x, TARGETS, smoothing)) == pytest.approx(total / 30, rel=1e-12)


def test_one_class_among_two_by_hand():
    x = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    assert float(cross_entropy(x, torch.tensor([[0]]))) == pytest.approx(math.log(1 + math.exp(-1)))
    assert float(cross_entropy(x, torch.tensor([[1]]))) == pytest.approx(math.log(1 + math.exp(1)))


def test_every_view_has_the_target_of_its_image_and_every_head_its_own():
    """A certain, right answer costs nothing; in another view or for another head it would cost much."""
    x = torch.zeros(5, 3, 2, 4)
    for image in range(5):
        for head in range(2):
            x[image, :, head, TARGETS[image, head]] = 100
    assert float(cross_entropy(x, TARGETS)) == 0
    assert float(cross_entropy(x, TARGETS.flip(1))) > 10
    assert float(cross_entropy(x.roll(1, 0), TARGETS)) > 10


def test_equal_logits_cost_the_log_of_the_classes():
    assert float(cross_entropy(torch.ones(5, 3, 2, 4), TARGETS)) == pytest.approx(math.log(4))


def test_ignored_targets_are_as_if_not_there():
    x = logits(5, 2, 2, 4).requires_grad_()
    targets = TARGETS.clone()
    targets[1] = IGNORED
    targets[4] = IGNORED
    kept = torch.tensor([0, 2, 3])
    loss = cross_entropy(x, targets)
    torch.testing.assert_close(loss, cross_entropy(x[kept], TARGETS[kept]), rtol=1e-14, atol=0)
    loss.backward()
    assert not x.grad[[1, 4]].any()
    assert x.grad[kept].flatten(1).any(1).all()


def test_one_head_s_ignored_target_leaves_the_other_head_s():
    x = logits(5, 2, 2, 4)
    targets = TARGETS.clone()
    targets[:, 1] = IGNORED
    expected = cross_entropy(x[:, :, :1], TARGETS[:, :1])
    torch.testing.assert_close(cross_entropy(x, targets), expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_where_all_is_ignored_loss_and_gradients_are_zero(smoothing: float):
    x = logits(5, 2, 2, 4).requires_grad_()
    loss = cross_entropy(x, torch.full_like(TARGETS, IGNORED), smoothing)
    assert float(loss.detach()) == 0
    loss.backward()
    assert torch.equal(x.grad, torch.zeros_like(x))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradients_are_those_of_finite_differences(smoothing: float):
    targets = TARGETS.clone()
    targets[2, 1] = IGNORED
    assert torch.autograd.gradcheck(lambda x: cross_entropy(x, targets, smoothing), logits(5, 2, 2, 4).requires_grad_())


def test_large_logits_do_not_overflow():
    x = torch.tensor([1e4, -1e4]).view(1, 1, 1, 2).requires_grad_()
    loss = cross_entropy(x, torch.tensor([[1]]))
    assert float(loss.detach()) == 2e4
    loss.backward()
    assert x.grad.isfinite().all()
