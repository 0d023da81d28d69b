"""The nearest centroid of every row: a fast rough look, then an exact one where the rough look cannot tell.

The rough look scores a block of rows against all centroids by one matrix product, s = x.c - |c|^2 / 2 (the
largest score is the smallest distance), in bfloat16 where the CPU multiplies it in hardware. How far such
a score can be off is known from the rounding that was measured and a worst-case bound for the rest. Only
where the runner-up is within that bound are the distances of the few candidates taken directly in float64.
So the labels are those of exact arithmetic, whatever the speed came from: they depend neither on the block
size nor on the other rows. Ties go to the lowest index. Axes: N rows, B rows of a block, U undecided rows,
P (row, candidate) pairs, D features, K centroids, E = D + 4 columns of the product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lookalike.clustering.exact import nearest_of_pairs, repeated
from lookalike.core.workers import Workers

_PREPARE = {"cpu": 1024, "cuda": 1 << 17}  # rows converted at a time
_BLOCK_SCORES = {"cpu": 1 << 21, "cuda": 1 << 27}  # scores of a block: 4 MiB of bfloat16 stay in the caches
_RESCORE_ALL = 256  # up to so many centroids a float32 product is cheaper than looking for candidates
_HEADROOM = 32  # how far, in error bounds, bfloat16 scores are shifted below the best one expected


@dataclass(frozen=True)
class _Centroids:
    """Centroids made ready for the product."""

    c_KD: Tensor  # as given
    centred_KD: Tensor  # less the origin
    bias_K: Tensor  # -|c|^2 / 2 of the centred ones
    wide_EK: Tensor  # rounded, with bias columns; padded to groups * size centroids
    groups: int
    size: int
    largest: float  # norm of the longest rounded centroid
    lost: float  # norm of the largest rounding error of a centroid
    bias: float  # the largest |c|^2 / 2
    bias_lost: float  # its largest rounding error


class Screening:
    """Labels of the same rows for changing centroids.

    Args:
        x_ND: rows, float32 or float64, finite, on any device.
        k: number of centroids to come.
        workers: threads to share the rows out to.
        block: rows scored at a time; chosen by cache size where None.
        dtype: of the rough scores. On a GPU that of the rows: its bfloat16 products may round partial sums, which
            breaks the bound, and float32 is fast there.
    """

    def __init__(self, x_ND: Tensor, k: int, workers: Workers, block: int | None, dtype: torch.dtype) -> None:
        n, d = x_ND.shape
        self.workers = workers
        self.x_ND = x_ND
        self.dtype = dtype
        scores = _BLOCK_SCORES.get(x_ND.device.type, 1 << 21)
        self.block = block or min(16384, max(256, scores // k // 64 * 64))
        self.eps = torch.finfo(x_ND.dtype).eps
        # The origin only makes the rounding errors small; any point would give the same labels.
        self.origin_D = x_ND.mean(0)
        self.low_NE = torch.ones(n, d + 4, dtype=self.dtype, device=x_ND.device)
        self.norm_N, self.lost_N = x_ND.new_empty(n), x_ND.new_empty(n)

        def round_rows(rows: slice) -> None:
            exact_BD = x_ND[rows] - self.origin_D
            self.low_NE[rows, :d] = exact_BD
            low_BD = self.low_NE[rows, :d].to(x_ND.dtype)
            self.norm_N[rows] = low_BD.norm(dim=1)
            self.lost_N[rows] = (exact_BD - low_BD).norm(dim=1)

        workers.for_blocks(round_rows, n, _PREPARE.get(x_ND.device.type, _PREPARE["cpu"]))
        self.lost_N += self.eps * self.norm_N  # of the subtraction
        self.shift_N: Tensor | None = None
        self.labels_N: Tensor | None = None  # of the call before
        self.calls = 0

    def __call__(self, c_KD: Tensor) -> Tensor:
        """Labels (int64 [N]) of the nearest of c_KD, which has the dtype and device of the rows."""
        c = self._prepare(c_KD)
        if self.shift_N is not None and self.calls == 1:
            self._shift_to_label(c)
        self.calls += 1
        bound_N = self._set_shift_and_bound(c)
        n = len(self.x_ND)
        labels_N = torch.empty(n, dtype=torch.int64, device=c_KD.device)

        def label(rows: slice) -> None:
            labels_N[rows] = self._label_block(rows, c, bound_N)

        self.workers.for_blocks(label, n, self.block)
        self.labels_N = labels_N
        return labels_N

    def _prepare(self, c_KD: Tensor) -> _Centroids:
        """Round the centroids and lay them out so that centroid j * groups + g is member j of group g."""
        k, d = c_KD.shape
        size = max(1, k // 128)
        groups = math.ceil(math.ceil(k / size) / 8) * 8
        centred_KD = c_KD - self.origin_D
        low_KD = centred_KD.to(self.dtype)
        back_KD = low_KD.to(c_KD.dtype)
        bias_K = -0.5 * centred_KD.double().square().sum(1)
        high_K = bias_K.to(self.dtype)
        rest_K = (bias_K - high_K.double()).to(self.dtype)
        wide = torch.zeros(d + 4, groups * size, dtype=self.dtype, device=c_KD.device)
        wide[:d, :k] = low_KD.T
        wide[d, :k], wide[d + 1, :k] = high_K, rest_K
        wide[d, k:] = -math.inf  # padding is never nearest
        wide[d + 2 :] = 1
        largest = back_KD.norm(dim=1).max()
        lost = (centred_KD - back_KD).norm(dim=1).max() + self.eps * largest
        bias_lost = (bias_K - high_K.double() - rest_K.double()).abs().max()
        numbers = torch.stack([largest.double(), lost.double(), bias_K.abs().max(), bias_lost]).tolist()
        later = repeated(c_KD)
        wide[d, later] = bias_K[later] = -math.inf
        return _Centroids(c_KD, centred_KD, bias_K.to(c_KD.dtype), wide, groups, size, *numbers)

    def _shift_to_label(self, c: _Centroids) -> None:
        """Expect the score of the label's new centroid.

        From then on the scores of the call before are near enough; but first centroids often are single rows
        and the second ones means, which are far nearer to all.
        """
        labels_N, shift_N, bias_K = self.labels_N, self.shift_N, c.bias_K
        assert labels_N is not None and shift_N is not None

        def expect(rows: slice) -> None:
            own_B = labels_N[rows]
            product_BD = (self.x_ND[rows] - self.origin_D).mul_(c.centred_KD.index_select(0, own_B))
            error_B = self.lost_N[rows] * c.largest + self.norm_N[rows] * c.lost
            # a centroid equal to one before it has no score
            shift_N[rows] = product_BD.sum(1) + bias_K[own_B].clamp(min=-c.bias) - _HEADROOM * error_B

        self.workers.for_blocks(expect, len(self.x_ND), _PREPARE["cpu"])  # bfloat16 is a CPU's

    def _set_shift_and_bound(self, c: _Centroids) -> Tensor:
        """Write the shift of each row into its last columns; return how far its scores may be off ([N]).

        bfloat16 scores are stored relative to what is expected to be a little less than the best score (the
        last one found). So the best scores are small numbers, rounded finely, and positive, so that their
        bits order as int16 do, whose maximum is several times as fast to find.
        """
        d = self.x_ND.shape[1]
        magnitude_N = self.norm_N * c.largest + c.bias
        if self.dtype == torch.bfloat16:
            if self.shift_N is None:
                self.shift_N = torch.full_like(self.norm_N, -c.bias)
            high_N = self.shift_N.to(self.dtype)
            rest_N = (self.shift_N - high_N).to(self.dtype)
            self.low_NE[:, d + 2], self.low_NE[:, d + 3] = -high_N, -rest_N
            self.shift_N = high_N.float() + rest_N.float()
            magnitude_N = magnitude_N + self.shift_N.abs()
        else:
            self.low_NE[:, d + 2 :] = 0
        # Cauchy-Schwarz for the rounding of rows and centroids; (D + 4) unit roundoffs for adding up the
        # products. A thousandth more covers the rounding of the norms themselves.
        rounding_N = self.lost_N * c.largest + (self.norm_N + self.lost_N) * c.lost
        return 1.001 * (rounding_N + (d + 4) * self.eps * magnitude_N + c.bias_lost)

    def _label_block(self, rows: slice, c: _Centroids, bound_N: Tensor) -> Tensor:
        """Labels (int64 [B]) of a block of rows."""
        scores_BK = self.low_NE[rows] @ c.wide_EK
        if self.dtype == torch.bfloat16:
            scores_BK = scores_BK.view(torch.int16)
        bound_B = bound_N[rows]
        row_B = torch.arange(rows.start, rows.stop, device=scores_BK.device)
        if self.labels_N is None:
            return self._search(row_B, scores_BK, c, bound_B)
        # Most rows keep their label. That needs one maximum to see, and no position.
        labels_B = self.labels_N[rows].clone()
        label_B1 = labels_B[:, None]
        score_B1 = scores_BK.gather(1, label_B1)
        rest_B = scores_BK.scatter_(1, label_B1, _least(scores_BK.dtype)).amax(1)
        certain_B, _ = self._certain(score_B1[:, 0], rest_B, bound_B)
        if self.shift_N is not None:
            score_B = score_B1[:, 0].view(self.dtype).float() - _HEADROOM * bound_B
            self.shift_N[rows] += torch.where(certain_B, score_B, 0.0)
        search_S = (~certain_B).nonzero()[:, 0]
        if len(search_S):
            scores_SK = scores_BK.index_select(0, search_S)
            scores_SK.scatter_(1, label_B1[search_S], score_B1[search_S])  # put back
            labels_B[search_S] = self._search(row_B[search_S], scores_SK, c, bound_B[search_S])
        return labels_B

    def _certain(self, top_B: Tensor, rest_B: Tensor, bound_B: Tensor) -> tuple[Tensor, Tensor]:
        """Whether scores as high as top_B are the largest even if all errors are, no other being above rest_B.

        And what scores could still be larger ([B], float).
        """
        slack = 1.01 * torch.finfo(self.dtype).eps  # both scores were rounded to dtype when stored
        if self.shift_N is None:
            least_B = top_B - 2 * bound_B - slack * top_B.abs()
            return rest_B + slack * rest_B.abs() < least_B, least_B - slack * top_B.abs()
        top_B, rest_B = top_B.view(self.dtype).float(), rest_B.view(self.dtype).float()
        least_B = top_B * (1 - slack) - 2 * bound_B
        # where that is not positive (or NaN, of padding), int16 may have misordered the scores
        return (rest_B * (1 + slack) < least_B) & (least_B > 0), least_B - slack * top_B

    def _search(self, row_B: Tensor, scores_BK: Tensor, c: _Centroids, bound_B: Tensor) -> Tensor:
        """Labels (int64 [B]) of the rows row_B from their scores."""
        labels_B, top_B, second_B = _best_two(scores_BK, c.size, c.groups)
        certain_B, least_B = self._certain(top_B, second_B, bound_B)
        undecided_B = ~certain_B
        if self.shift_N is not None:
            self.shift_N[row_B] += top_B.view(self.dtype).float().clamp(min=0) - _HEADROOM * bound_B
            again_B = undecided_B if len(c.c_KD) <= _RESCORE_ALL else undecided_B & ~(least_B > 0)
            again_U = again_B.nonzero()[:, 0]
            if len(again_U):
                labels_B[again_U], best_U = self._rescore(row_B[again_U], c)
                self.shift_N[row_B[again_U]] = best_U - _HEADROOM * bound_B[again_U]
                undecided_B &= ~again_B
        undecided_U = undecided_B.nonzero()[:, 0]
        if len(undecided_U):
            least_U = least_B[undecided_U]
            if self.shift_N is not None:  # one bit less than rounded: never above least_U
                least_U = least_U.to(self.dtype).view(torch.int16) - 1
            pairs = (scores_BK.index_select(0, undecided_U) >= least_U[:, None]).nonzero(as_tuple=True)
            x_UD = self.x_ND.index_select(0, row_B[undecided_U])
            labels_B[undecided_U] = nearest_of_pairs(x_UD, c.c_KD, *pairs).labels_U
        return labels_B

    def _rescore(self, row_U: Tensor, c: _Centroids) -> tuple[Tensor, Tensor]:
        """Labels and best scores [U] of single rows, scored in the rows' own precision."""
        x_UD = self.x_ND.index_select(0, row_U)
        scores_UK = torch.addmm(c.bias_K, x_UD - self.origin_D, c.centred_KD.T)
        size_U = self.norm_N[row_U] + self.lost_N[row_U]
        longest = c.largest + c.lost
        # of the subtractions, the sums and the bias: each a unit roundoff of what was added up
        bound_U = (self.x_ND.shape[1] + 8) * self.eps * (size_U * longest + longest**2)
        labels_U, top_U, second_U = _best_two(scores_UK, 1, scores_UK.shape[1])
        undecided = (second_U >= top_U - 2 * bound_U).nonzero()[:, 0]
        if len(undecided):
            least = (top_U - 2 * bound_U)[undecided]
            pairs = (scores_UK[undecided] >= least[:, None]).nonzero(as_tuple=True)
            labels_U[undecided] = nearest_of_pairs(x_UD[undecided], c.c_KD, *pairs).labels_U
        return labels_U, top_U


def _least(dtype: torch.dtype) -> float:
    return torch.finfo(dtype).min if dtype.is_floating_point else torch.iinfo(dtype).min


def _best_two(scores_BK: Tensor, size: int, groups: int) -> tuple[Tensor, Tensor, Tensor]:
    """Where the largest score of each row is (int64 [B]), that score and the second largest.

    By groups, as maxima over whole vectors are cheap and positions are not. scores_BK is left as it was.
    """
    least = _least(scores_BK.dtype)
    scores_BJG = scores_BK.view(-1, size, groups)
    best_BG = scores_BJG.amax(1) if size > 1 else scores_BK
    top_B, group_B = best_BG.max(1)
    second_B = best_BG.scatter_(1, group_B[:, None], least).amax(1)
    if size == 1:
        scores_BK.scatter_(1, group_B[:, None], top_B[:, None])
        return group_B, top_B, second_B
    members_BJ = scores_BJG[torch.arange(len(group_B), device=group_B.device), :, group_B]
    member_B = members_BJ.argmax(1)
    second_B = torch.maximum(second_B, members_BJ.scatter_(1, member_B[:, None], least).amax(1))
    return member_B * groups + group_B, top_B, second_B
