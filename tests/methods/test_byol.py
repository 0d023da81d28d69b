"""BYOL: the loss by hand, the target's schedule, the published pair of views."""

import math

import pytest
import torch

from lookalike.augment.recipes import build_augmentation
from lookalike.augment.solarize import RandomSolarize
from lookalike.contract.stand_ins import noise, tiny_method
from lookalike.methods.base import Step
from lookalike.methods.byol import BYOL, Outputs


def test_the_loss_by_hand():
    """Two images; predictions at 0 and 60 degrees of the first's target, and at 90 and 180 of the second's."""
    half = math.sqrt(3) / 2
    q = torch.tensor([[[2.0, 0.0], [0.5, half]], [[0.0, 1.0], [-3.0, 0.0]]])
    target = torch.tensor([[[5.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [2.0, 0.0]]])
    method, _ = tiny_method("byol")
    # 2 - 2 cos of each: 0 + 1 for the first image, 2 + 4 for the second
    assert float(method.loss(Outputs(q, target), torch.arange(2))) == pytest.approx((1 + 6) / 2)


def test_a_prediction_is_compared_with_the_other_view():
    q = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    method, _ = tiny_method("byol")
    assert float(method.loss(Outputs(q, q), torch.arange(1))) == pytest.approx(4.0)
    assert float(method.loss(Outputs(q, q.flip(1)), torch.arange(1))) == pytest.approx(0.0)


@pytest.mark.parametrize(("fraction", "tau"), [(0.0, 0.99), (0.5, 0.995), (1.0, 1.0)])
def test_the_target_follows_by_the_schedule(fraction: float, tau: float):
    method, _ = tiny_method("byol")
    before = [p.clone() for p in method.target.parameters()]
    with torch.no_grad():
        for p in (*method.encoder.parameters(), *method.head.parameters()):
            p.add_(1.0)
    method.on_step_end(Step(0, 10, fraction, 0))
    for old, new in zip(before, method.target.parameters(), strict=True):
        torch.testing.assert_close(new, old + (1 - tau))


def test_the_target_begins_as_the_network_and_has_no_predictor():
    method, _ = tiny_method("byol")
    x = noise(4, seed=0)
    out = method(x)
    torch.testing.assert_close(out.target, method.head(method.encoder(x)))
    assert out.q.requires_grad and not out.target.requires_grad
    assert not torch.allclose(out.q, out.target)


def test_views_are_the_published_pair():
    assert [view.augment for view in BYOL.views] == ["byol-1", "byol-2"]
    one, two = (build_augmentation(str(view.augment), 32).operations for view in BYOL.views)
    assert [type(o).__name__ for o in one] == [
        "RandomResizedCrop", "RandomHorizontalFlip", "ColorJitter", "RandomGrayscale", "RandomGaussianBlur",
    ]  # fmt: skip
    assert one[-1].p == 1.0 and two[-2].p == 0.1 and two[-1] == RandomSolarize(p=0.2)
    jitter = one[2]
    assert (jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue) == (0.4, 0.4, 0.2, 0.1)
