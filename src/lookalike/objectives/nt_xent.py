"""NT-Xent, the normalised temperature-scaled cross entropy of SimCLR.

Chen, Kornblith, Norouzi, Hinton 2020, equation 1; the paper's Algorithm 1. With u_i = z_i / |z_i| and
s_ij = u_i . u_j / tau, the loss of row i with positives P(i) is

    l_i = logsumexp_{k != i} s_ik - mean_{p in P(i)} s_ip

and the loss is the mean of l_i over the rows. (The code released with the paper returns twice this.)
Axes: R rows (images times views), P projection size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.core.comm import SINGLE, Comm
from lookalike.core.earlier_names import also_called
from lookalike.objectives.tiled import own_log_sum_exp, tiled_nt_xent

# Rows up to which the matrix and its copies are no slower; on a GPU each operation is a launch, and they take 256 MiB.
_DENSE_ROWS = {"cpu": 512, "cuda": 4096}
_TILE = {"cpu": 512, "cuda": 8192}  # rows; a float32 tile of 1 MiB stays in a cache of a CPU
_SMALL_TILE = 256  # of fewer rows, of which threads want a few tiles each


@also_called("ranks", "comm")
def nt_xent(
    z_RP: Tensor, ids_R: Tensor, temperature: float = 0.5, tile: int | None = None, comm: Comm = SINGLE
) -> Tensor:
    """The NT-Xent loss of projections.

    Args:
        z_RP: projections, floating, normalised inside; every row is both anchor and negative.
        ids_R: integers; rows with equal ids are views of one image and each other's positives. Every
            id must stand at least twice: a row without a positive has no loss.
        temperature: tau in equation 1, positive.
        tile: compare tile x tile rows at a time and never hold an R x R matrix (`tiled.py`; the loss and its
            gradient are the same up to rounding, second derivatives are not offered). None tiles
            above 512 rows (4,096 on a GPU).
        comm: the processes that hold the batch together, each with R rows of its own, all views of an image with
            one of them. Each computes its own rows against all.

    Returns:
        A scalar; float64 for float64 input, else float32 (logits are never formed in half precision).
        ln(R - 1) is chance level: all projections equal. Of several processes each has its share; the shares add
        up to the loss, and a share's gradient with respect to its own z is that of the whole loss.
    """
    if z_RP.ndim != 2 or ids_R.shape != z_RP.shape[:1]:
        raise ValueError(f"z must be [R, P] and ids [R], got {list(z_RP.shape)} and {list(ids_R.shape)}")
    if temperature <= 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    if tile is not None and tile < 1:
        raise ValueError(f"tile must be at least 1, got {tile}")
    z_RP = z_RP if z_RP.dtype == torch.float64 else z_RP.float()
    image_R = _numbered(ids_R)
    with torch.autocast(z_RP.device.type, enabled=False):
        if comm.size == 1 and (tile is not None or len(z_RP) > _dense_rows(z_RP)):
            return tiled_nt_xent(z_RP, image_R, temperature, tile or _tile(z_RP))
        u_RP = F.normalize(z_RP, dim=1)
        if comm.size > 1:
            log_sum_R = own_log_sum_exp(u_RP, temperature, tile or _tile(u_RP), comm)
        else:
            s_RR = (u_RP / temperature) @ u_RP.T
            log_sum_R = s_RR.fill_diagonal_(-torch.inf).logsumexp(1)
        # The mean over the positives of u_i . u_p is u_i . (sum over its image - u_i) / (views - 1): no
        # second R x R matrix is needed.
        sum_RP = torch.zeros_like(u_RP).index_add(0, image_R, u_RP)[image_R]
        views_R = torch.zeros_like(u_RP[:, 0]).index_add(0, image_R, torch.ones_like(u_RP[:, 0]))[image_R]
        positives_R = (u_RP * (sum_RP - u_RP)).sum(1) / (views_R - 1) / temperature
        return (log_sum_R - positives_R).mean() / comm.size


def _dense_rows(z_RP: Tensor) -> int:
    rows = _DENSE_ROWS.get(z_RP.device.type)
    return _DENSE_ROWS["cuda"] if rows is None else rows


def _tile(u_RP: Tensor) -> int:
    largest = _TILE.get(u_RP.device.type, _TILE["cpu"])
    return min(largest, max(_SMALL_TILE, len(u_RP) // 4)) if largest == _TILE["cpu"] else largest


def _numbered(ids_R: Tensor) -> Tensor:
    """Equal ids get equal numbers in 0..R-1; as `unique(return_inverse=True)`, but a GPU is not waited for."""
    order_R = ids_R.argsort(stable=True)
    number_R = (ids_R[order_R].diff(prepend=ids_R[order_R[:1]]) != 0).cumsum(0)
    return torch.empty_like(number_R).scatter_(0, order_R, number_R)
