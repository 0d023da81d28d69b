"""Linear probe: multinomial logistic regression on standardised frozen features, by L-BFGS.

SimCLR paper, appendix B.8. The strength of the penalty is chosen on a tenth of the training rows, then
the probe is fitted to all of them; the test rows are used once, for the figure. Axes: N rows, D
features, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lookalike.core import rng
from lookalike.core.ranks import ALONE, Ranks
from lookalike.core.workers import Workers

PENALTIES = (1e-2, 1e-3, 1e-4, 1e-5)
"""Strengths tried, on |W|^2 / 2 beside the mean cross-entropy; strong to weak, so each starts warm."""
HELD_OUT = 0.1  # share of the training rows on which the strength is chosen
_BLOCK = 2**19  # values of the rows of a block, which a thread takes through both products while a cache holds it
_NOTHING = (torch.empty(0),) * 3
_ITERATIONS = 200  # of L-BFGS per fit
_TOLERANCE = 1e-7  # a fit ends when an iteration lowers the loss by less: float32 has no more to give


@dataclass(frozen=True)
class LinearProbe:
    """A fitted probe."""

    weight_KD: Tensor
    bias_K: Tensor
    mean_D: Tensor
    scale_D: Tensor
    penalty: float

    def predict(self, x_ND: Tensor) -> Tensor:
        """Labels (int64 [N])."""
        z = (x_ND.float() - self.mean_D) / self.scale_D
        return (z @ self.weight_KD.T + self.bias_K).argmax(1)


def fit_linear(
    x_ND: Tensor,
    labels_N: Tensor,
    seed: int = 0,
    penalties: tuple[float, ...] = PENALTIES,
    ranks: Ranks = ALONE,
    statistics: tuple[Tensor, Tensor] | None = None,
) -> LinearProbe:
    """Fit a probe; the strength is the one of `penalties` that is best on a held-out tenth.

    Args:
        x_ND: features, floating.
        labels_N: int64 labels 0..K-1.
        seed: of the choice of the tenth.
        penalties: strengths to try, strong to weak; with a single one nothing is held out.
        ranks: processes that share the work, all given the same rows; each takes the loss of some of them.
        statistics: mean and deviation [D] to standardise by; None for those of `x_ND` (`standard`).
    """
    mean, scale = statistics or standard(x_ND)
    x = (x_ND.float() - mean) / scale
    mine = slice(ranks.rank, None, ranks.size)
    gram = ranks.sum(x[mine].T @ x[mine]) / len(x)
    classes = int(labels_N.max()) + 1
    best_penalty, start = penalties[0], np.zeros(classes * (x.shape[1] + 1))
    if len(penalties) > 1:
        order = rng.permutation(seed, "linear", 0, len(x))
        held = max(1, int(HELD_OUT * len(x)))
        choose, learn = order[:held], order[held:]
        weights, best = start, -1.0
        for penalty in penalties:
            weights = _minimise(x[learn[mine]], labels_N[learn[mine]], classes, penalty, gram, weights, ranks)
            w, b = _unpack(weights, classes)
            accuracy = float(((x[choose] @ w.T + b).argmax(1) == labels_N[choose]).double().mean())
            if accuracy > best:
                best, best_penalty, start = accuracy, penalty, weights
    w, b = _unpack(_minimise(x[mine], labels_N[mine], classes, best_penalty, gram, start, ranks), classes)
    return LinearProbe(w, b, mean, scale, best_penalty)


def standard(x_ND: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation [D] of features; the deviation of a constant one, which tells nothing, is 1."""
    x = x_ND.float()
    mean, scale = x.mean(0), x.std(0, unbiased=False)
    return mean, torch.where(scale > 1e-6 * (1 + mean.abs()), scale, 1.0)


def linear_accuracy(
    x_ND: Tensor, labels_N: Tensor, test_QD: Tensor, labels_Q: Tensor, ranks: Ranks = ALONE
) -> tuple[float, float]:
    """Accuracy in [0, 1] on the test rows and the penalty that was chosen."""
    probe = fit_linear(x_ND, labels_N, ranks=ranks)
    return float((probe.predict(test_QD) == labels_Q).double().mean()), probe.penalty


def _unpack(weights: np.ndarray, classes: int) -> tuple[Tensor, Tensor]:
    w_KD1 = torch.from_numpy(weights).float().view(classes, -1)
    return w_KD1[:, :-1], w_KD1[:, -1]


def _block(x_ND: Tensor, labels_N: Tensor, w_KD: Tensor, b_K: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of some rows the sums of the cross-entropy (float64) and of its slopes by W [K, D] and by b [K]."""
    log_p_NK = torch.addmm(b_K, x_ND, w_KD.T).log_softmax(1)
    of_label_N1 = log_p_NK.gather(1, labels_N[:, None])
    residual_NK = log_p_NK.exp_().scatter_add_(1, labels_N[:, None], torch.full_like(of_label_N1, -1.0))
    return -of_label_N1.sum(dtype=torch.float64), residual_NK.T @ x_ND, residual_NK.sum(0)


def _minimise(
    x_ND: Tensor, labels_N: Tensor, classes: int, penalty: float, gram_DD: Tensor, start: np.ndarray, ranks: Ranks
) -> np.ndarray:
    """Mean cross-entropy of all processes' rows + penalty * |W|^2 / 2 (none on the bias), by L-BFGS from `start`.

    The unknowns are the weights seen through a Cholesky factor L of the Hessian at even odds,
    (K - 1) / K^2 * X^T X / N + penalty: W = V L^-1. The problem stays the same, but features that go
    together no longer slow it down: tens of iterations in place of hundreds.
    """
    import scipy.optimize  # a training begins without it
    from threadpoolctl import threadpool_limits

    n = int(ranks.sum(torch.tensor(len(x_ND))))
    size = max(1, _BLOCK // x_ND.shape[1]) if x_ND.device.type == "cpu" else max(1, len(x_ND))
    blocks = [slice(row, row + size) for row in range(0, len(x_ND), size)]
    curvature = (classes - 1) / classes**2 * gram_DD + penalty * torch.eye(len(gram_DD), device=gram_DD.device)
    factor_DD = torch.linalg.cholesky(curvature.double()).to(x_ND.dtype)

    def seen(w_KD: Tensor) -> Tensor:  # V = W L
        return w_KD @ factor_DD

    def plain(v_KD: Tensor) -> Tensor:  # W = V L^-1
        return torch.linalg.solve_triangular(factor_DD, v_KD, upper=False, left=False)

    def objective(unknowns: np.ndarray) -> tuple[float, np.ndarray]:
        v, b = _unpack(unknowns, classes)
        w = plain(v)
        parts: list[tuple[Tensor, Tensor, Tensor]] = [_NOTHING] * len(blocks)

        def some(numbers: slice) -> None:
            for k in range(numbers.start, numbers.stop):
                parts[k] = _block(x_ND[blocks[k]], labels_N[blocks[k]], w, b)

        workers.for_blocks(some, len(blocks), 1)
        losses, slopes, residuals = zip(*parts, strict=True)
        loss = ranks.sum(torch.stack(losses).sum() / n) + penalty / 2 * (w.double() ** 2).sum()
        slope = ranks.sum(torch.stack(slopes).sum(0) / n) + penalty * w
        slope = torch.linalg.solve_triangular(factor_DD, slope.T, upper=False).T
        bias = ranks.sum(torch.stack(residuals).sum(0) / n)
        return float(loss), torch.cat([slope, bias[:, None]], 1).double().numpy().ravel()

    w, b = _unpack(start, classes)
    start = torch.cat([seen(w), b[:, None]], 1).double().numpy().ravel()
    # L-BFGS makes short BLAS calls between torch's long ones; with threads of its own, BLAS and torch wait
    # for each other's idle threads, and the fit takes three times as long
    options = {"maxiter": _ITERATIONS, "ftol": _TOLERANCE}
    products = 2 * x_ND.numel() * classes
    with threadpool_limits(1, user_api="blas"), Workers(x_ND.device, products) as workers:
        found = scipy.optimize.minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    v, b = _unpack(found.x, classes)
    return torch.cat([plain(v), b[:, None]], 1).double().numpy().ravel()
