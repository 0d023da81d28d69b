"""Pins the linear probe against scikit-learn's logistic regression, and that test rows stay unseen."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from lookalike.core.comm import SINGLE
from lookalike.evaluate import linear
from lookalike.evaluate.linear import PENALTIES, fit_linear, linear_accuracy


def data(n=400, d=6, classes=3, spread=2.0, seed=0):
    """Overlapping classes; features of differing mean and scale."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    centres = torch.randn(classes, d, generator=torch.Generator().manual_seed(99))
    x = centres[labels] + spread * torch.randn(n, d, generator=generator)
    return x * torch.logspace(-2, 2, d) + torch.arange(d) * 10, labels


@pytest.mark.parametrize("penalty", [1e-1, 1e-2, 1e-4])
@pytest.mark.parametrize("classes", [3, 5])
def test_agrees_with_scikit_learn(penalty, classes):
    x, y = data(classes=classes)
    test, truth = data(classes=classes, seed=1)
    probe = fit_linear(x, y, penalties=(penalty,))
    z, z_test = (((part - x.mean(0)) / x.std(0, unbiased=False)).double().numpy() for part in (x, test))
    theirs = LogisticRegression(C=1 / (len(x) * penalty), tol=1e-8, max_iter=5000).fit(z, y.numpy())
    assert np.allclose(probe.weight_KD, theirs.coef_, atol=5e-3)
    assert np.allclose(probe.bias_K - probe.bias_K.mean(), theirs.intercept_ - theirs.intercept_.mean(), atol=5e-3)
    accuracy = float((probe.predict(test) == truth).double().mean())
    assert accuracy == pytest.approx(theirs.score(z_test, truth.numpy()), abs=0.005)
    assert accuracy > 1.3 / classes


def plain_objective(weights, z, y, penalty):
    """Mean cross-entropy + penalty * |W|^2 / 2 in float64, and its slope, as they are written down."""
    w, b = weights.reshape(-1, z.shape[1] + 1)[:, :-1], weights.reshape(-1, z.shape[1] + 1)[:, -1]
    score = z @ w.T + b
    log_p = score - logsumexp(score, axis=1, keepdims=True)
    residual = (np.exp(log_p) - np.eye(len(w))[y]) / len(z)
    slope = np.concatenate([residual.T @ z + penalty * w, residual.sum(0)[:, None]], 1)
    return -log_p[np.arange(len(y)), y].mean() + penalty / 2 * (w**2).sum(), slope.ravel()


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize(("d", "spread"), [(6, 2.0), (40, 0.3)])
def test_the_optimum_is_that_of_a_slow_plain_fit(penalty, d, spread):
    """A fit ends when an iteration gains less than 1e-7; what is left to gain is below 1e-5."""
    x, y = data(n=3000, d=d, classes=4, spread=spread)
    x = x + x.roll(1, 1) * torch.linspace(0, 1, d)  # features that go together
    probe = fit_linear(x, y, penalties=(penalty,))
    z = ((x - probe.mean_D) / probe.scale_D).double().numpy()
    ours = torch.cat([probe.weight_KD, probe.bias_K[:, None]], 1).double().numpy().ravel()
    found, _ = plain_objective(ours, z, y.numpy(), penalty)
    options = {"maxiter": 5000, "maxfun": 10000, "ftol": 1e-13, "gtol": 1e-9}
    args = (z, y.numpy(), penalty)
    best = minimize(plain_objective, 0 * ours, args, jac=True, method="L-BFGS-B", options=options)
    assert best.fun - 1e-9 <= found <= best.fun + 1e-5


def test_strengths_tried_side_by_side_come_to_what_each_comes_to_alone():
    x, y = data(n=3000, d=40, classes=4, spread=0.3)
    z = (x - x.mean(0)) / x.std(0)
    gram, zero = z.T @ z / len(z), np.zeros(4 * 41)

    def fits(penalties, tolerance):
        return linear._minimise(z, y, 4, penalties, gram, [zero] * len(penalties), SINGLE, tolerance)

    for found, penalty in zip(fits(PENALTIES, 1e-7), PENALTIES, strict=True):
        args = (z.double().numpy(), y.numpy(), penalty)
        least = plain_objective(fits((penalty,), 1e-7)[0], *args)[0]
        assert plain_objective(found, *args)[0] == pytest.approx(least, abs=1e-5)
    for found, penalty in zip(fits(PENALTIES, linear._ROUGH), PENALTIES, strict=True):
        args = (z.double().numpy(), y.numpy(), penalty)
        assert plain_objective(found, *args)[0] <= plain_objective(fits((penalty,), 1e-7)[0], *args)[0] + 1e-3


def test_separable_data_reaches_100_percent():
    x, y = data(spread=0.05)
    test, truth = data(spread=0.05, seed=1)
    assert linear_accuracy(x, y, test, truth)[0] == 1.0


def test_random_labels_give_chance():
    x, _ = data(n=2000)
    y = torch.randint(4, (2000,), generator=torch.Generator().manual_seed(5))
    assert abs(linear_accuracy(x[:1000], y[:1000], x[1000:], y[1000:])[0] - 0.25) < 0.05


@pytest.mark.parametrize("constant", [0.0, 1.0, 123.456, 1e6])
def test_constant_features_change_nothing(constant):
    x, y = data()
    with_constant = torch.cat([x, torch.full((len(x), 2), constant)], 1)
    probe, plain = fit_linear(with_constant, y), fit_linear(x, y)
    assert torch.allclose(probe.weight_KD[:, :6], plain.weight_KD, atol=1e-2)
    assert probe.weight_KD[:, 6:].abs().max() < 1e-3
    assert torch.equal(probe.predict(with_constant), plain.predict(x))


def test_rounding_of_a_constant_feature_tells_nothing():
    x, y = data()
    value = torch.full((len(x), 1), 123.456)
    rounded = torch.where(y[:, None] == 0, value.nextafter(value + 1), value)  # off by a last bit, which gives y away
    with_rounding = torch.cat([x, rounded], 1)
    assert torch.equal(fit_linear(with_rounding, y).predict(with_rounding), fit_linear(x, y).predict(x))


def test_scale_and_shift_of_features_change_nothing():
    x, y = data()
    assert torch.equal(fit_linear(x * 64 + 7, y).predict(x * 64 + 7), fit_linear(x, y).predict(x))


def test_test_rows_are_not_used_in_fitting(monkeypatch):
    (x, y), (test, truth) = data(), data(seed=1)
    fit, probes = linear.fit_linear, []
    monkeypatch.setattr(linear, "fit_linear", lambda *args, **said: probes.append(fit(*args, **said)) or probes[-1])
    accuracy, penalty = linear_accuracy(x, y, test, truth)
    wrong, same_penalty = linear_accuracy(x, y, test * 3 - 50, (truth + 1) % 3)
    assert accuracy > 0.4 and wrong != accuracy and penalty == same_penalty
    for name in ("weight_KD", "bias_K", "mean_D", "scale_D"):
        assert torch.equal(getattr(probes[0], name), getattr(probes[1], name))


def test_the_standardisation_is_of_the_training_rows():
    x, y = data()
    probe = fit_linear(x, y)
    assert torch.allclose(probe.mean_D, x.mean(0)) and torch.allclose(probe.scale_D, x.std(0, unbiased=False))


def test_chosen_penalty_is_among_the_list():
    x, y = data(n=200)
    assert fit_linear(x, y).penalty in PENALTIES
    assert fit_linear(x, y, penalties=(0.3, 0.03)).penalty in (0.3, 0.03)
    assert fit_linear(x, y, penalties=(0.7,)).penalty == 0.7


def test_a_penalty_that_forbids_learning_is_not_chosen():
    x, y = data(spread=0.5)
    assert fit_linear(x, y, penalties=(1e3, 1e-3)).penalty == 1e-3


def test_the_stronger_of_equal_penalties_is_chosen():
    x, y = data(spread=0.05)
    assert fit_linear(x, y, penalties=(1e-2, 1e-3)).penalty == 1e-2


def test_all_training_rows_are_used_once_the_penalty_is_chosen():
    x, y = data(n=120)
    chosen = fit_linear(x, y)
    assert torch.allclose(chosen.weight_KD, fit_linear(x, y, penalties=(chosen.penalty,)).weight_KD, atol=2e-2)
