"""VICReg: its three parts by hand, and of the batch of all processes."""

import math

import pytest
import torch

from lookalike.contract.stand_ins import tiny_method
from lookalike.methods.vicreg import _variance_and_covariance

Z = torch.tensor([[1.0, 2.0], [3.0, 2.0], [2.0, 5.0]], dtype=torch.float64)
"""Means 2 and 3; deviations (-1, -1), (1, -1), (0, 2); variances 2/2 = 1 and 6/2 = 3; covariance 0/2 = 0."""


def test_variance_and_covariance_by_hand():
    from lookalike.core.comm import SINGLE

    spread, covariance = _variance_and_covariance(Z, SINGLE)
    assert float(spread) == pytest.approx(0.0) and float(covariance) == pytest.approx(0.0)
    small = Z * 0.5  # variances 0.25 and 0.75
    spread, _ = _variance_and_covariance(small, SINGLE)
    assert float(spread) == pytest.approx(((1 - math.sqrt(0.2501)) + (1 - math.sqrt(0.7501))) / 2)
    same = Z[:, :1].expand(-1, 2)  # covariance 1 off the diagonal, twice, over 2 columns
    assert float(_variance_and_covariance(same, SINGLE)[1]) == pytest.approx(1.0)


def test_the_loss_by_hand():
    """Views that differ by 0.2 in the first column: 25 * 0.04 / 2, and nothing else where both vary enough."""
    method, _ = tiny_method("vicreg")
    views = torch.stack([Z, Z + torch.tensor([0.2, 0.0])], 1)
    assert float(method.loss(views, torch.arange(3))) == pytest.approx(25 * 0.04 / 2)


def test_what_is_all_the_same_costs_its_variance():
    method, _ = tiny_method("vicreg")
    assert float(method.loss(torch.ones(3, 2, 4), torch.arange(3))) == pytest.approx(25 * (1 - 0.01), rel=1e-6)


def test_weights_of_the_parts():
    views = torch.stack([0.5 * Z[:, :1].expand(-1, 2)] * 2, 1)  # variance 0.25 in both, covariance 0.25
    method, _ = tiny_method("vicreg", invariance=3.0, variance=2.0, covariance=4.0)
    assert float(method.loss(views, torch.arange(3))) == pytest.approx(2 * (1 - math.sqrt(0.2501)) + 4 * 2 * 0.25**2)
