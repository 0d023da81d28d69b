"""Exact nearest rows on a CPU without most of the cosines: an upper bound rules pairs out.

Along the axes in which the rows of a bank are longest (C orthonormal columns V), a row x of length 1 has coordinates
c = x V and a rest of length r = sqrt(1 - |c|^2), so that by the inequality of Cauchy and Schwarz

    cos(a, b) <= c_a . c_b + r_a r_b,

a product of width C + 1 in place of D. Only pairs whose bound reaches the k-th best cosine found so far are
computed in full. Features of networks lie near few axes; for those without any, `choose` gives None.

Axes: N rows of the bank, Q queries, D features, C axes, B queries of a block, G groups of S rows, P pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.core.process import warnings_ignored
from lookalike.neighbors.topk import GROUP, TopK, largest

_WIDTHS = (32, 64, 96, 128, 160, 192, 256)  # axes to choose from
_FEWEST = 2048  # queries, and rows of the bank, below which choosing takes longer than all cosines
_SAMPLE = 8192  # rows of the bank that give the axes, and by which they are chosen
_ASKED = 32  # queries by which they are chosen
MOST = 1 / 8
"""Share of the groups of rows beyond which pairs take more memory and time than all cosines."""
_SLACK = 1e-5  # over the rounding of float32 in squares and cosines of rows of length 1

# What one pair costs that is computed in full, and one that is only bounded, in multiply-adds of a matrix product
# (measured on 2 cores with AVX2).
_PER_PAIR, _PER_PAIR_AND_FEATURE, _PER_BOUND = 10_000, 17, 30


@dataclass
class PrunedBank:
    """The rows of a bank with upper bounds of their cosines.

    The bank is float32 [N, D] on a CPU, finite, its rows of length 1 or 0. The axes (float32 [D, C]) are orthonormal;
    which they are decides how long a search takes and nothing else.
    """

    bank_ND: Tensor
    axes_DC: Tensor
    most: float = MOST
    """Share of the groups that a block may leave open; of more, `nearest` gives None."""
    _bank_NC: Tensor = field(init=False)
    _scores: Tensor | None = field(init=False, default=None)  # written again by every block

    def __post_init__(self) -> None:
        missing = -len(self.bank_ND) % GROUP
        self._bank_NC = F.pad(with_rest(self.bank_ND @ self.axes_DC), (0, 0, 0, missing))

    def nearest(self, query_BD: Tensor, k: int) -> TopK | None:
        """The k <= N most similar rows: cosines (float32 [B, k]), falling, and rows (int64 [B, k]).

        None where the bounds rule so little out that all cosines are sooner computed.
        """
        b, n, groups = len(query_BD), len(self.bank_ND), len(self._bank_NC) // GROUP
        if self._scores is None or len(self._scores) < b:
            self._scores = query_BD.new_empty(b, len(self._bank_NC))
        bound_BN = torch.mm(with_rest(query_BD @ self.axes_DC), self._bank_NC.T, out=self._scores[:b])
        bound_BN[:, n:] = -torch.inf
        largest_BG = bound_BN.view(b, GROUP, groups).amax(1)
        inside_S = groups * torch.arange(GROUP)

        # no nearest row is farther than the farthest of any k rows, so of k with large bounds
        first_BK = largest(bound_BN, k)[1]
        first_cosine = _cosines(query_BD, self.bank_ND, torch.full((b,), k), first_BK.flatten())
        least_B1 = first_cosine.view(b, k).amin(1, keepdim=True) - _SLACK

        query_M, group_M = (largest_BG >= least_B1).nonzero(as_tuple=True)
        if len(query_M) > self.most * largest_BG.numel():
            return None
        bound_MS = bound_BN.view(-1)[(query_M * bound_BN.shape[1] + group_M)[:, None] + inside_S]
        pair_P, place_P = (bound_MS >= least_B1[query_M]).nonzero(as_tuple=True)
        query_P, row_P = query_M[pair_P], group_M[pair_P] + inside_S[place_P]
        count_B = torch.bincount(query_P, minlength=b)
        cosine_P = _cosines(query_BD, self.bank_ND, count_B, row_P)

        column_P = torch.arange(len(row_P)) - (count_B.cumsum(0) - count_B)[query_P]
        cosine = cosine_P.new_full((b, int(count_B.max())), -torch.inf)
        row = row_P.new_zeros(cosine.shape)
        cosine[query_P, column_P], row[query_P, column_P] = cosine_P, row_P
        value, place = cosine.topk(k, dim=1)
        return value, row.gather(1, place)


def choose(bank_ND: Tensor, query_QD: Tensor, k: int) -> PrunedBank | None:
    """The bounds by which the k nearest rows are found soonest, or None: by all cosines.

    Rows have length 1, or 0. Chosen by how many pairs the bounds of a few queries leave.
    """
    (n, d), q = bank_ND.shape, len(query_QD)
    widths = [width for width in _WIDTHS if 2 * width <= d]
    if bank_ND.device.type != "cpu" or not torch.backends.mkl.is_available():
        return None  # measured on CPUs with MKL alone
    if min(n, q) < _FEWEST or not widths:
        return None
    if not math.isfinite(float(bank_ND.sum() + query_QD.sum())):
        return None
    sample = bank_ND[:: -(-n // _SAMPLE)]
    axes_DC = torch.linalg.eigh(sample.T @ sample).eigenvectors.flip(1)[:, : widths[-1]]
    asked = query_QD[:: q // _ASKED][:_ASKED]
    least = (asked @ bank_ND.T).topk(k, dim=1).values[:, -1:]
    bank, asked = sample @ axes_DC, asked @ axes_DC
    best, chosen = float(n * d * q), None
    for width in widths:
        bound = with_rest(asked[:, :width]) @ with_rest(bank[:, :width]).T
        left = n * float((bound >= least).double().mean())
        cost = q * (n * (width + _PER_BOUND) + left * (_PER_PAIR + _PER_PAIR_AND_FEATURE * d)) + (n + q) * d * width
        if cost < best:
            best, chosen = cost, width
    return None if chosen is None else PrunedBank(bank_ND, axes_DC[:, :chosen].contiguous())


def with_rest(x_NC: Tensor) -> Tensor:
    """Coordinates and, as the last column, what their rest is no longer than."""
    rest_N1 = (1 + _SLACK - x_NC.square().sum(1, keepdim=True)).clamp(min=_SLACK).sqrt()
    return torch.cat([x_NC, rest_N1], 1)


@cache
def _announced() -> None:
    """Let PyTorch say once, and to nobody, that its sparse tensors are in beta state."""
    with warnings_ignored("Sparse CSR tensor support is in beta state"):
        torch.sparse_csr_tensor(
            torch.tensor([0, 1]), torch.tensor([0]), torch.ones(1), size=(1, 1), check_invariants=False
        )


def _cosines(query_BD: Tensor, bank_ND: Tensor, count_B: Tensor, row_P: Tensor) -> Tensor:
    """The cosines (float32 [P]) of each query with its rows, `count_B` of them, one query's after another's.

    As the values of a sparse product, which reads a row once; gathered rows would be written and read again (ten times
    as long). Each value is computed by itself, so a query's rows may come in any order.
    """
    _announced()
    wanted = torch.sparse_csr_tensor(
        F.pad(count_B.cumsum(0), (1, 0)),
        row_P,
        query_BD.new_zeros(len(row_P)),
        size=(len(query_BD), len(bank_ND)),
        check_invariants=False,
    )
    return torch.sparse.sampled_addmm(wanted, query_BD, bank_ND.T, beta=0.0).values()
