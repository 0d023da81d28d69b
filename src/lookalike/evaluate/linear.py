"""Linear probe: multinomial logistic regression on standardised frozen features, by L-BFGS.

SimCLR paper, appendix B.8. The strength of the penalty is chosen on a tenth of the training rows, then
the probe is fitted to all of them; the test rows are used once, for the figure. Axes: N rows, D
features, K classes, F fits side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lookalike.core import rng
from lookalike.core.comm import SINGLE, Comm
from lookalike.core.process import single_threaded_blas
from lookalike.core.progress import phase
from lookalike.core.workers import Workers
from lookalike.evaluate.batched_lbfgs import Point, Value, batched_lbfgs

PENALTIES = (1e-2, 1e-3, 1e-4, 1e-5)
"""Strengths tried, on |W|^2 / 2 beside the mean cross-entropy, strong to weak: of equal ones the stronger is taken."""
HELD_OUT = 0.1  # share of the training rows on which the strength is chosen
_BLOCK = 2**19  # values of the rows of a block, which a thread takes through both products while a cache holds it
_SCORES = 2**26  # numbers of a block's scores at most, where no cache asks for small blocks
_NOTHING = (torch.empty(0),) * 3
_ITERATIONS = 200  # of L-BFGS per fit
_TOLERANCE = 1e-7  # a fit ends when an iteration lowers the loss by less: float32 has no more to give
_ROUGH = 1e-6  # the same for fits that are only compared; at 1e-5 rounding decides between strengths as good as equal


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
    comm: Comm = SINGLE,
    statistics: tuple[Tensor, Tensor] | None = None,
) -> LinearProbe:
    """Fit a probe; the strength is the one of `penalties` that is best on a held-out tenth.

    Args:
        x_ND: features, floating.
        labels_N: int64 labels 0..K-1.
        seed: of the choice of the tenth.
        penalties: strengths to try, strong to weak; with a single one nothing is held out.
        comm: processes that share the work, all given the same rows; each takes the loss of some of them.
        statistics: mean and deviation [D] to standardise by; None for those of `x_ND` (`standard`).
    """
    mean, scale = statistics or standard(x_ND)
    x = (x_ND.float() - mean).div_(scale)
    mine = slice(comm.rank, None, comm.size)
    gram = comm.sum(x[mine].T @ x[mine]) / len(x)
    classes = int(labels_N.max()) + 1
    best_penalty, start = penalties[0], np.zeros(classes * (x.shape[1] + 1))
    if len(penalties) > 1:
        order = rng.permutation(seed, "linear", 0, len(x))
        held = max(1, int(HELD_OUT * len(x)))
        choose, learn = order[:held], order[held:]
        rows, labels = x[learn[mine]], labels_N[learn[mine]]
        best = -1.0
        tried = _minimise(rows, labels, classes, penalties, gram, [start] * len(penalties), comm, _ROUGH)
        for penalty, weights in zip(penalties, tried, strict=True):
            w, b = _unpacked(weights, classes, x)
            accuracy = float(((x[choose] @ w.T + b).argmax(1) == labels_N[choose]).double().mean())
            if accuracy > best:
                best, best_penalty, start = accuracy, penalty, weights
    (weights,) = _minimise(x[mine], labels_N[mine], classes, (best_penalty,), gram, [start], comm, _TOLERANCE)
    w, b = _unpacked(weights, classes, x)
    return LinearProbe(w, b, mean, scale, best_penalty)


def standard(x_ND: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation [D] of features; the deviation of a constant one, which tells nothing, is 1."""
    x = x_ND.float()
    mean, scale = x.mean(0), x.std(0, unbiased=False)
    return mean, torch.where(scale > 1e-6 * (1 + mean.abs()), scale, 1.0)


def linear_accuracy(
    x_ND: Tensor, labels_N: Tensor, test_QD: Tensor, labels_Q: Tensor, comm: Comm = SINGLE
) -> tuple[float, float]:
    """Accuracy in [0, 1] on the test rows and the penalty that was chosen."""
    probe = fit_linear(x_ND, labels_N, comm=comm)
    return float((probe.predict(test_QD) == labels_Q).double().mean()), probe.penalty


def _unpacked(weights: Point, classes: int, like: Tensor) -> tuple[Tensor, Tensor]:
    w_KD1 = torch.from_numpy(weights).to(like).view(classes, -1)
    return w_KD1[:, :-1], w_KD1[:, -1]


def _packed(w_KD: Tensor, b_K: Tensor) -> Point:
    return torch.cat([w_KD, b_K[:, None]], 1).double().cpu().numpy().ravel()


def _block(x_ND: Tensor, labels_N: Tensor, w_FKD: Tensor, b_FK: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of some rows the sums of the cross-entropy ([F], float64) and of its slopes by W [F, K, D] and by b [F, K]."""
    fits, classes, features = w_FKD.shape
    score = torch.addmm(b_FK.reshape(-1, 1), w_FKD.reshape(-1, features), x_ND.T)
    log_p_FKN = score.view(fits, classes, -1).log_softmax(1)
    label_F1N = labels_N.expand(fits, 1, -1)
    of_label_F1N = log_p_FKN.gather(1, label_F1N)
    residual_FKN = log_p_FKN.exp_().scatter_add_(1, label_F1N, torch.full_like(of_label_F1N, -1.0))
    slope_FKD = (residual_FKN.view(fits * classes, -1) @ x_ND).view(w_FKD.shape)
    return -of_label_F1N.sum((1, 2), dtype=torch.float64), slope_FKD, residual_FKN.sum(2)


def _minimise(
    x_ND: Tensor,
    labels_N: Tensor,
    classes: int,
    penalties: Sequence[float],
    gram_DD: Tensor,
    starts: Sequence[Point],
    comm: Comm,
    tolerance: float,
) -> list[Point]:
    """For each penalty, mean cross-entropy of all processes' rows + penalty * |W|^2 / 2 (none on the bias), by L-BFGS.

    The unknowns are the weights seen through a Cholesky factor L of the Hessian at even odds,
    (K - 1) / K^2 * X^T X / N + penalty: W = V L^-1. The problem stays the same, but features that go
    together no longer slow it down: tens of iterations in place of hundreds.
    """
    n = int(comm.sum(torch.tensor(len(x_ND))))
    on_cpu = x_ND.device.type == "cpu"
    size = max(1, _BLOCK // x_ND.shape[1] if on_cpu else _SCORES // (classes * len(penalties)))
    blocks = [slice(row, row + size) for row in range(0, len(x_ND), size)]
    even = (classes - 1) / classes**2 * gram_DD
    identity = torch.eye(len(gram_DD), device=gram_DD.device)
    factors = [torch.linalg.cholesky((even + p * identity).double()).to(x_ND.dtype) for p in penalties]

    def plain(v_KD: Tensor, factor_DD: Tensor) -> Tensor:  # W = V L^-1
        return torch.linalg.solve_triangular(factor_DD, v_KD, upper=False, left=False)

    def objectives(unknowns: dict[int, Point]) -> dict[int, Value]:
        weights = {number: _unpacked(point, classes, x_ND) for number, point in unknowns.items()}
        w_FKD = torch.stack([plain(v, factors[number]) for number, (v, _) in weights.items()])
        b_FK = torch.stack([b for _, b in weights.values()])
        parts: list[tuple[Tensor, Tensor, Tensor]] = [_NOTHING] * len(blocks)

        def some(numbers: slice) -> None:
            for k in range(numbers.start, numbers.stop):
                parts[k] = _block(x_ND[blocks[k]], labels_N[blocks[k]], w_FKD, b_FK)

        workers.for_blocks(some, len(blocks), 1)
        losses, slopes, residuals = (comm.sum(torch.stack(part).sum(0) / n) for part in zip(*parts, strict=True))
        values = {}
        for f, number in enumerate(unknowns):
            loss = losses[f] + penalties[number] / 2 * (w_FKD[f].double() ** 2).sum()
            slope = slopes[f] + penalties[number] * w_FKD[f]
            seen = torch.linalg.solve_triangular(factors[number], slope.T, upper=False).T
            values[number] = float(loss), _packed(seen, residuals[f])
        p.step()
        return values

    begin = []
    for start, factor in zip(starts, factors, strict=True):
        w, b = _unpacked(start, classes, x_ND)
        begin.append(_packed(w @ factor, b))  # V = W L
    # L-BFGS makes short BLAS calls between torch's long ones; with threads of its own, BLAS and torch wait
    # for each other's idle threads, and the fit takes three times as long
    products = 2 * x_ND.numel() * classes * len(penalties)
    with (
        single_threaded_blas(),
        Workers(x_ND.device, products) as workers,
        phase("fitting linear probes, passes over the rows") as p,
    ):
        ends = batched_lbfgs(objectives, begin, _ITERATIONS, tolerance)
    points = []
    for end, factor in zip(ends, factors, strict=True):
        v, b = _unpacked(end, classes, x_ND)
        points.append(_packed(plain(v, factor), b))
    return points
