"""VICReg (Bardes, Ponce, LeCun 2022, "Variance-invariance-covariance regularization"; here section 4).

With Z, Z' [n, d] the embeddings of two views of n images, gamma = 1 and eps = 1e-4:

    v(Z) = 1/d sum_j max(0, gamma - sqrt(Var(z^j) + eps))                   variance: no column dies   (equation 1)
    c(Z) = 1/d sum_{i != j} Cov(Z)_ij^2                                     columns differ             (equations 3, 4)
    s(Z, Z') = 1/n sum_i |z_i - z'_i|^2                                     views agree                (equation 5)
    L = lambda s + mu (v(Z) + v(Z')) + nu (c(Z) + c(Z'))                                               (equation 6)

Var and Cov divide by n - 1. The released code has s as a mean over columns as well, and halves mu's part; its weights
25, 25, 1 are meant for that, and so it is here. All of n is the batch of all processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from lookalike.core.comm import SINGLE, Comm
from lookalike.core.options import at_least
from lookalike.methods.base import Method, View
from lookalike.methods.projector import ProjectorOptions, projector

_EPS = 1e-4


class VICReg(Method):
    """Views agree, while every column keeps its variance and no two columns say the same."""

    title = "VICReg"
    views = (View("byol-1"), View("byol-2"))  # as BYOL's (appendix C.1)
    views_together = False
    presets = {
        "*": {"lr": 0.02},  # at 0.05 the first steps on MNIST end in nan: the covariance grows with the fourth power
        "digits": {"augment": "digits", "lr": 0.1},
        "mnist": {"augment": "digits"},
    }

    @dataclass(kw_only=True)
    class Options(ProjectorOptions):
        """Let two views agree while each column of the embeddings varies and no two say the same; no negatives."""

        head_depth: int = 3
        """Linear layers of the head (the paper's expander)."""
        head_size: int = 512
        """Size of an embedding; wide ones are worth more."""
        invariance: float = 25.0
        """lambda: weight of the agreement of views."""
        variance: float = 25.0
        """mu: weight of the variance of each column."""
        covariance: float = 1.0
        """nu: weight of the covariance of columns."""

        def problems(self) -> Iterator[str]:
            yield from super().problems()
            yield from at_least(self, 0, "invariance", "variance", "covariance")

    options: Options

    def setup(self) -> None:
        self.head = projector(self.encoder, self.options)
        self.head[-1].register_parameter("bias", None)  # as released: no part of the loss would see it

    def forward(self, x_RCHW: Tensor) -> Tensor:
        return self.head(self.encoder(x_RCHW))

    def loss(self, z_BVP: Tensor, targets_BH: Tensor, comm: Comm = SINGLE) -> Tensor:
        o, (one_BP, two_BP) = self.options, z_BVP.unbind(1)
        parts = [_variance_and_covariance(z_BP, comm) for z_BP in (one_BP, two_BP)]
        variance, covariance = (one + two for one, two in zip(*parts, strict=True))
        agreement = (one_BP - two_BP).square().mean()
        return comm.share(o.invariance * agreement + o.variance * variance / 2 + o.covariance * covariance)


def _variance_and_covariance(z_BP: Tensor, comm: Comm) -> tuple[Tensor, Tensor]:
    """v and c of the batch of all processes."""
    n, p = len(z_BP) * comm.size, z_BP.shape[1]
    x_BP = z_BP - comm.all_reduce(z_BP.sum(0)) / n
    covariance_PP = comm.all_reduce(x_BP.T @ x_BP) / (n - 1)
    variance_P = covariance_PP.diagonal()
    spread = (1 - (variance_P + _EPS).sqrt()).relu().mean()
    return spread, (covariance_PP.square().sum() - variance_P.square().sum()) / p
