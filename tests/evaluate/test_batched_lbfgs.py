"""Minimisations side by side find what they find alone, and end together when one fails."""

import threading

import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der

from lookalike.evaluate.batched_lbfgs import batched_lbfgs

STARTS = [np.array([-1.2, 1.0]), np.array([3.0, -2.0, 1.0]), np.array([1.0, 1.0]), np.full(8, -0.5)]


def value(number, point):
    """Another objective for every number."""
    return float(rosen(point) + number * (point**2).sum()), rosen_der(point) + 2 * number * point


def test_each_ends_where_it_ends_alone():
    asked = []

    def together(points):
        asked.append(sorted(points))
        assert threading.current_thread() is threading.main_thread()
        return {number: value(number, point) for number, point in points.items()}

    found = batched_lbfgs(together, STARTS, 500, 1e-12)
    alone = []
    for number, start in enumerate(STARTS):
        options = {"maxiter": 500, "ftol": 1e-12}
        alone.append(minimize(lambda u, k=number: value(k, u), start, jac=True, method="L-BFGS-B", options=options))
    assert all(np.array_equal(ours, theirs.x) for ours, theirs in zip(found, alone, strict=True))
    # one round answers all that still run, and no round is without a reason
    assert len(asked) == max(theirs.nfev for theirs in alone)
    assert [sum(k in numbers for numbers in asked) for k in range(len(STARTS))] == [theirs.nfev for theirs in alone]
    assert asked[0] == [0, 1, 2, 3]


def test_iterations_are_bounded():
    calls = []

    def together(points):
        calls.append(len(points))
        return {number: value(number, point) for number, point in points.items()}

    batched_lbfgs(together, [STARTS[0]], 3, 1e-12)
    assert 3 <= len(calls) <= 12


def test_a_computation_that_fails_ends_the_fits():
    before, rounds = threading.active_count(), []

    def together(points):
        rounds.append(1)
        if len(rounds) == 3:
            raise KeyboardInterrupt("in the middle")
        return {number: value(number, point) for number, point in points.items()}

    with pytest.raises(KeyboardInterrupt, match="in the middle"):
        batched_lbfgs(together, STARTS, 500, 1e-12)
    assert threading.active_count() == before


def test_a_fit_that_fails_is_said():
    before = threading.active_count()

    def together(points):
        return {number: (point, point) for number, point in points.items()}  # no scalar

    with pytest.raises(ValueError, match="scalar"):
        batched_lbfgs(together, STARTS[:2], 500, 1e-12)
    assert threading.active_count() == before
