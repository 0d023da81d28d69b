"""Labels of one block of rows from scores: functions of many short operations, run without Python's lock.

A score is x.c - |c|^2 / 2 from a common origin, so that the largest score is the smallest distance: d^2 = |x|^2 - 2 s.
Beside its label each row keeps a distance that its centroid is not beyond and one that no other centroid is within
(Hamerly 2010, "Making k-means even faster"). When centroids move, the two move by as much; a row whose bounds still
tell its centroid from all others keeps its label without a look.

Whatever is written here is in the part of Python that TorchScript knows. Axes: N rows, B rows of a block, L those of
them that are looked at, M candidate centroids, K centroids, D features, W axes, S rows looked at again, U rows
undecided, P pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor

WORTH_SKIPPING = 0.25  # share of a block's rows from which leaving them out is worth a copy of the others
LOOSE = 1e-5  # relative; covers the rounding of float32 in sums of a few lengths
ALL = 0.6  # share of the centroids from which all are taken, as copying them costs more than it saves
FEW_COLUMNS = 24  # centroids of a block that are too few to be thinned out further


def looked_at(
    labels_B: Tensor,
    upper_B: Tensor,
    lower_B: Tensor,
    drift_K: Tensor,
    few: float,
    worth: float = WORTH_SKIPPING,
) -> Tensor:
    """Loosen a block's bounds by what centroids have moved, and say which of its rows have to be looked at.

    Args:
        labels_B, upper_B, lower_B: of the block's rows; the bounds are written.
        drift_K: how far each centroid has moved and, as one more value, how far the farthest; empty where none has.
        few: some roundings.
        worth: share of the rows from which leaving them out pays.

    Returns:
        int64 [L], counted within the block.
    """
    if drift_K.numel() == 0:
        return torch.arange(labels_B.numel())
    upper_B.add_(drift_K.index_select(0, labels_B)).mul_(1 + few)
    lower_B.sub_(drift_K[-1]).mul_(1 - few)
    look_L = (upper_B >= lower_B).nonzero().squeeze(1)
    if look_L.numel() > (1 - worth) * labels_B.numel():
        return torch.arange(labels_B.numel())
    return look_L


def best_two(scores_BM: Tensor, at_B: Tensor, twice_B: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The largest scores of rows.

    Args:
        scores_BM: are written over.
        at_B: int64: the column that is expected to have the largest.
        twice_B: a score that is within so much of the largest may be the largest.

    Returns:
        The column (int64 [B]), the largest score [B] and the largest of the other columns [B]; then (row, column)
        pairs: the rows (int64 [P], rising) of which several columns may be the largest, and each of those columns.
        Of such a row the third is the largest of the columns that cannot be.
    """
    least = float("-inf")
    at_B1 = at_B.unsqueeze(1)
    # Most rows keep their label. That needs one maximum to see, and no position.
    top_B1 = scores_BM.gather(1, at_B1)
    top_B = top_B1.squeeze(1)
    rest_B = scores_BM.scatter_(1, at_B1, least).amax(1)
    again_S = (top_B - rest_B <= twice_B).nonzero().squeeze(1)
    row_P = again_S[:0]
    column_P = again_S[:0]
    if again_S.numel() > 0:
        scores_SM = scores_BM
        if again_S.numel() < at_B.numel():
            scores_SM = scores_BM.index_select(0, again_S)
        scores_SM.scatter_(1, at_B1.index_select(0, again_S), top_B1.index_select(0, again_S))  # put back
        best_S, place_S = scores_SM.max(1)
        rest_S = scores_SM.scatter_(1, place_S.unsqueeze(1), least).amax(1)
        twice_S = twice_B.index_select(0, again_S)
        near_U = (best_S - rest_S <= twice_S).nonzero().squeeze(1)
        if near_U.numel() > 0:
            best_U, place_U = best_S.index_select(0, near_U), place_S.index_select(0, near_U)
            scores_UM = scores_SM.index_select(0, near_U)
            scores_UM.scatter_(1, place_U.unsqueeze(1), best_U.unsqueeze(1))
            candidate_UM = scores_UM >= (best_U - twice_S.index_select(0, near_U)).unsqueeze(1)
            pairs = candidate_UM.nonzero()
            row_P = again_S.index_select(0, near_U).index_select(0, pairs[:, 0])
            column_P = pairs[:, 1]
            rest_S = rest_S.index_copy(0, near_U, scores_UM.masked_fill_(candidate_UM, least).amax(1))
        at_B = at_B.index_copy(0, again_S, place_S)
        top_B = top_B.index_copy(0, again_S, best_S)
        rest_B = rest_B.index_copy(0, again_S, rest_S)
    return at_B, top_B, rest_B, row_P, column_P


def distances(top_B: Tensor, rest_B: Tensor, square_B: Tensor, slack_B: Tensor) -> tuple[Tensor, Tensor]:
    """The bounds [B] of the distances to the nearest centroid and to all others.

    Args:
        top_B, rest_B: the scores of those.
        square_B: |x|^2 in the scores' origin, so that the squared distance is this less twice the score.
        slack_B: what that can be off.
    """
    upper_B = (square_B - 2 * top_B + slack_B).clamp_(min=0).sqrt_()
    lower_B = (square_B - 2 * rest_B - slack_B).clamp_(min=0).sqrt_()
    return upper_B, lower_B


def label_full(
    first: int,
    last: int,
    rows_ND: Tensor,
    square_N: Tensor,
    wide_DL: Tensor,
    bias_L: Tensor,
    longest: float,
    eps: float,
    labels_N: Tensor,
    upper_N: Tensor,
    lower_N: Tensor,
    drift_K: Tensor,
    few: float,
    memory: Tensor,
) -> tuple[Tensor, Tensor]:
    """Label a block (the rows from `first` to before `last`) by the scores of all centroids.

    Args:
        first, last: the rows.
        rows_ND, square_N: all rows and their |x|^2.
        wide_DL, bias_L: centroids as columns and their -|c|^2 / 2.
        longest: the largest |c|.
        eps: what a score can be off, in products of lengths.
        labels_N, upper_N, lower_N: labels and bounds of all rows; those of the block are written.
        drift_K, few: as for `looked_at`.
        memory: B * (L + D) numbers of the rows' type.

    Returns:
        Undecided rows (int64 [P]) and their candidates; their bounds are those of the label and of what is none.
    """
    labels_B, upper_B, lower_B = labels_N[first:last], upper_N[first:last], lower_N[first:last]
    look_L = looked_at(labels_B, upper_B, lower_B, drift_K, few)
    b, d, columns = look_L.numel(), rows_ND.shape[1], bias_L.numel()
    if b == 0:
        return look_L, look_L
    x_LD, square_L, previous_L = rows_ND[first:last], square_N[first:last], labels_B
    whole = b == labels_B.numel()
    if not whole:
        copy_LD = memory[b * columns : b * (columns + d)].view(b, d)
        torch.index_select(x_LD, 0, look_L, out=copy_LD)
        x_LD, square_L, previous_L = copy_LD, square_L.index_select(0, look_L), labels_B.index_select(0, look_L)
    scores_LM = memory[: b * columns].view(b, columns)
    torch.addmm(bias_L, x_LD, wide_DL, out=scores_LM)
    twice_L = (square_L.sqrt() + longest) * (2 * eps * longest)
    at_L, top_L, rest_L, row_P, column_P = best_two(scores_LM, previous_L, twice_L)
    upper_L, lower_L = distances(top_L, rest_L, square_L, twice_L + eps * square_L)
    if whole:
        labels_B.copy_(at_L)
        upper_B.copy_(upper_L)
        lower_B.copy_(lower_L)
    else:
        labels_B.index_copy_(0, look_L, at_L)
        upper_B.index_copy_(0, look_L, upper_L)
        lower_B.index_copy_(0, look_L, lower_L)
    return look_L.index_select(0, row_P) + first, column_P


def possible(
    lead_LW: Tensor,
    square_L: Tensor,
    upper_L: Tensor,
    lead_WM: Tensor,
    far_M: Tensor,
    rest_M: Tensor,
    eps: float,
    loose: float = LOOSE,
) -> Tensor:
    """Which centroids (int64) may be the nearest of some row, by their coordinates along W - 3 axes.

    Args:
        lead_LW: coordinates of the rows, what is left of them, 1, and a column that is written.
        square_L, upper_L: |x|^2, and at least the distance to some centroid.
        lead_WM: float64 coordinates of the centroids.
        far_M, rest_M: float64 |c|^2, and that of what is left of them. All in the block's origin.
        eps: what a sum of W products can be off, in products of lengths.
    """
    width = lead_LW.shape[1]
    target_WM = torch.empty([width, far_M.numel()], dtype=lead_LW.dtype)
    target_WM[: width - 3] = lead_WM
    target_WM[width - 3] = rest_M.sqrt() * (1 + loose)
    target_WM[width - 2] = -0.5 * far_M
    target_WM[width - 1] = 1.0
    upper_L = upper_L * upper_L
    lead_LW[:, width - 1] = 0.5 * (upper_L - square_L)  # less the score that a row has for sure
    slack = 4 * eps * float(square_L.max() + upper_L.max() + far_M.max())
    return (torch.mm(lead_LW, target_WM).amax(0) >= -slack).nonzero().squeeze(1)


def label_near(
    row_B: Tensor,
    first: int,
    rows_ND: Tensor,
    square_N: Tensor,
    across_N: Tensor,
    lead_NW: Tensor,
    middle_D: Tensor,
    lead_origin_W: Tensor,
    c_KD: Tensor,
    lead_WK: Tensor,
    far_K: Tensor,
    rest_K: Tensor,
    distinct_K: Tensor,
    wide_DL: Tensor,
    longest: float,
    eps: float,
    eps_lead: float,
    lost: float,
    labels_N: Tensor,
    upper_N: Tensor,
    lower_N: Tensor,
    drift_K: Tensor,
    few: float,
    memory: Tensor,
    loose: float = LOOSE,
    most: float = ALL,
    fewest: int = FEW_COLUMNS,
) -> tuple[Tensor, Tensor]:
    """Label a block of near rows by the scores of the centroids that are not out of reach.

    Args:
        row_B: the rows (int64).
        first: their place in what is sorted: `rows_ND`, less the block's origin, its `square_N`, `lead_NW` (see
            `possible`; no columns where there are no axes) and `across_N`, x.o.
        middle_D: the block's origin.
        lead_origin_W: its coordinates along the axes, from the common origin (float64).
        c_KD: centroids as they were given.
        lead_WK: their coordinates along the axes, from the common origin (float64).
        far_K, rest_K: float64, squared distances to the block's origin, and what is left of those.
        distinct_K: bool: centroids that are not equal to one before; empty where all differ.
        wide_DL, longest: centroids as columns, from the common origin, and the largest |c|.
        eps, eps_lead: what a score can be off, in products of lengths; the same of `possible`.
        lost: what `far_K` can be off.
        labels_N, upper_N, lower_N, drift_K, few: as for `label_full`.
        memory: B * (L + D) numbers of the rows' type.
        loose, most, fewest: `LOOSE`, `ALL`, `FEW_COLUMNS`; TorchScript takes constants as arguments only.

    Returns:
        Undecided rows (int64 [P]) and their candidates; their bounds are those of the label and of what is none.
    """
    upper_B, lower_B = upper_N.index_select(0, row_B), lower_N.index_select(0, row_B)
    look_L = looked_at(labels_N.index_select(0, row_B), upper_B, lower_B, drift_K, few)
    upper_N.index_copy_(0, row_B, upper_B)
    lower_N.index_copy_(0, row_B, lower_B)
    b, d, k, columns = look_L.numel(), rows_ND.shape[1], c_KD.shape[0], wide_DL.shape[1]
    if b == 0:
        return look_L, look_L
    last = first + row_B.numel()
    x_LD, square_L, across_L = rows_ND[first:last], square_N[first:last], across_N[first:last]
    whole = b == row_B.numel()
    if not whole:
        row_B = row_B.index_select(0, look_L)
        copy_LD = memory[b * columns : b * (columns + d)].view(b, d)
        torch.index_select(x_LD, 0, look_L, out=copy_LD)
        x_LD, square_L, across_L = copy_LD, square_L.index_select(0, look_L), across_L.index_select(0, look_L)
        upper_B = upper_B.index_select(0, look_L)
    upper_L, length_L = upper_B, square_L.sqrt()
    within = float((upper_L + length_L).max()) * (1 + loose)
    near_K = far_K <= within * within + lost
    if distinct_K.numel() > 0:
        near_K = near_K & distinct_K
    column_M = near_K.nonzero().squeeze(1)
    if lead_NW.shape[1] > 0 and column_M.numel() > fewest:
        lead_LW = lead_NW[first:last].clone() if whole else lead_NW[first:last].index_select(0, look_L)
        lead_WM = lead_WK.index_select(1, column_M) - lead_origin_W.unsqueeze(1)
        far_M, rest_M = far_K.index_select(0, column_M), rest_K.index_select(0, column_M)
        column_M = column_M.index_select(0, possible(lead_LW, square_L, upper_L, lead_WM, far_M, rest_M, eps_lead))
    previous_L = labels_N.index_select(0, row_B)
    if column_M.numel() > most * k:
        # d^2 = |x - o|^2 - 2 (score - (x - o).o), where scores are from the common origin as to the centroids
        bias_L = torch.full([columns], float("-inf"), dtype=x_LD.dtype)
        bias_L[:k] = -0.5 * far_K
        if distinct_K.numel() > 0:
            bias_L[:k].masked_fill_(~distinct_K, float("-inf"))
        scores_LM = memory[: b * columns].view(b, columns)
        torch.addmm(bias_L, x_LD, wide_DL, out=scores_LM)
        twice_L = length_L * (2 * eps * longest) + (eps * float(far_K.max()) + 2 * lost)
        origin = float(across_L.abs().max()) + float(length_L.max()) * longest
        slack_L = twice_L + eps * (square_L + 4 * origin)
        at_L, top_L, rest_L, row_P, column_P = best_two(scores_LM, previous_L, twice_L)
        new_L, lower_L = distances(top_L, rest_L, square_L + 2 * across_L, slack_L)
    else:
        near_MD = c_KD.index_select(0, column_M) - middle_D
        bias_M = near_MD.square().sum(1) * -0.5
        reach = float((-2 * bias_M.min()).sqrt())
        scores_LM = memory[: b * column_M.numel()].view(b, column_M.numel())
        torch.addmm(bias_M, x_LD, near_MD.t(), out=scores_LM)
        twice_L = (length_L + reach) * (2 * eps * reach)
        at_L, top_L, rest_L, row_P, column_P = best_two(scores_LM, torch.searchsorted(column_M, previous_L), twice_L)
        at_L, column_P = column_M.index_select(0, at_L), column_M.index_select(0, column_P)
        new_L, lower_L = distances(top_L, rest_L, square_L, twice_L + eps * square_L)
        lower_L = torch.minimum(lower_L, upper_L)  # what was left out is farther than the label's centroid may be
    labels_N.index_copy_(0, row_B, at_L)
    upper_N.index_copy_(0, row_B, new_L)
    lower_N.index_copy_(0, row_B, lower_L)
    return row_B.index_select(0, row_P), column_P


def label_near_blocks(
    bounds: list[int],
    order_N: Tensor,
    rows_ND: Tensor,
    square_N: Tensor,
    across_N: Tensor,
    lead_NW: Tensor,
    middle_JD: Tensor,
    lead_origin_JW: Tensor,
    c_KD: Tensor,
    lead_WK: Tensor,
    far_JK: Tensor,
    rest_JK: Tensor,
    distinct_K: Tensor,
    wide_DL: Tensor,
    longest: float,
    eps: float,
    eps_lead: float,
    lost_J: Tensor,
    labels_N: Tensor,
    upper_N: Tensor,
    lower_N: Tensor,
    drift_K: Tensor,
    few: float,
    memory: Tensor,
) -> tuple[Tensor, Tensor]:
    """`label_near` for J blocks that follow one another, of which the one numbered j begins at `bounds[j]`."""
    rows: list[Tensor] = []
    candidates: list[Tensor] = []
    for j in range(len(bounds) - 1):
        row_P, candidate_P = label_near(
            order_N[bounds[j] : bounds[j + 1]],
            bounds[j],
            rows_ND,
            square_N,
            across_N,
            lead_NW,
            middle_JD[j],
            lead_origin_JW[j],
            c_KD,
            lead_WK,
            far_JK[j],
            rest_JK[j],
            distinct_K,
            wide_DL,
            longest,
            eps,
            eps_lead,
            float(lost_J[j]),
            labels_N,
            upper_N,
            lower_N,
            drift_K,
            few,
            memory,
        )
        if row_P.numel() > 0:
            rows.append(row_P)
            candidates.append(candidate_P)
    if len(rows) == 0:
        return order_N[:0], order_N[:0]
    return torch.cat(rows), torch.cat(candidates)
