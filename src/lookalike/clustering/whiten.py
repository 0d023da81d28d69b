"""PCA-whitening of features, as DeepCluster does before k-means (Caron et al. 2018, section 3.3).

As in faiss' PCAMatrix with eigen_power -0.5 the scatter matrix is made the identity and not the
covariance: Z^T Z = I. It is fitted anew each time and keeps no state.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from scipy.linalg import eigh
from torch import Tensor

from lookalike.core.comm import BLOCK, SINGLE, Comm
from lookalike.core.earlier_names import also_called
from lookalike.core.errors import LookalikeError
from lookalike.core.process import single_threaded_blas
from lookalike.core.words import counted


@also_called("ranks", "comm")
def pca_whiten(x_ND: Tensor, dims: int = 256, floor: float = 1e-5, comm: Comm = SINGLE) -> Tensor:
    """Features in their leading principal directions, each of unit scatter.

    Args:
        x_ND: float features; float64 is computed in float64, all else in float32.
        dims: directions to keep at the most.
        floor: directions whose eigenvalue is below this share of the largest are dropped, as whitening
            would blow up their rounding errors; so there are never more columns than the rank.
        comm: the processes that have the rows, each some; the directions are those of all rows, and what is
            returned are a process's own.

    Returns:
        z_NK (float32, or float64 as the input), K <= min(dims, rank), with z^T z = I and column means 0,
        the leading direction first; the largest loading of each direction is positive.

    Raises:
        LookalikeError: a feature is NaN or infinite, or all rows are the same.
    """
    x = x_ND if x_ND.dtype == torch.float64 else x_ND.float()
    n = int(comm.sum(torch.tensor(len(x))))
    if len(x) == 0:
        raise LookalikeError("there are no features to whiten")
    low_D, high_D = x.aminmax(dim=0)
    low_D, high_D = comm.gather(low_D[None]).amin(0), comm.gather(high_D[None]).amax(0)
    if not (low_D.isfinite().all() and high_D.isfinite().all()):
        raise LookalikeError("features hold NaN or infinite values: the network diverged, try a lower learning rate")
    spread = float((high_D.double() - low_D).max())
    if spread <= torch.finfo(x.dtype).eps * float(torch.maximum(low_D.abs(), high_D.abs()).max()):
        raise LookalikeError(f"the features of {counted(n, 'image')} are all the same: nothing tells them apart")

    centre_D = comm.sum(x.sum(0, dtype=torch.float64)) / n
    basis_DK = _leading_directions(x, centre_D, spread, dims, floor, n, comm)
    y_NK = torch.cat([block @ basis_DK for block in _centred(x, centre_D, spread)]).double()
    # The scatter was summed in the precision of x. Once more in float64, among the K directions alone,
    # makes z^T z = I exact for the weakest of them too.
    value_K, turn_KK = _eigen(comm.sum(y_NK.T @ y_NK), y_NK.shape[1])
    loading_DK = basis_DK.double() @ turn_KK
    sign_1K = loading_DK.gather(0, loading_DK.abs().argmax(0)[None]).sign()
    return (y_NK @ (turn_KK * sign_1K / value_K.sqrt())).to(x.dtype)


def _centred(x_ND: Tensor, centre_D: Tensor, spread: float) -> Iterator[Tensor]:
    """Blocks of rows minus the centre; divided by the spread, so that no square can overflow."""
    for rows in x_ND.split(BLOCK):  # the blocks of which processes have whole ones: the same sums for any number
        yield ((rows.double() - centre_D) / spread).to(x_ND.dtype)


def _leading_directions(
    x_ND: Tensor, centre_D: Tensor, spread: float, dims: int, floor: float, n: int, comm: Comm
) -> Tensor:
    """Orthonormal principal directions [D, K] of n rows, through whichever of D x D and N x N is smaller."""
    size = x_ND.shape[1]
    if n < size:
        x_ND = comm.gather(x_ND)
        centred_ND = torch.cat(list(_centred(x_ND, centre_D, spread)))
        matrix = (centred_ND @ centred_ND.T).double()
    else:
        matrix = x_ND.new_zeros(size, size, dtype=torch.float64)
        for block in _centred(x_ND, centre_D, spread):
            matrix += block.T @ block
        matrix = comm.sum(matrix)
    value_K, vector_K = _eigen(matrix, min(dims, n - 1, size))
    vector_K = vector_K[:, value_K > floor * value_K[0]]
    if n < size:
        vector_K = torch.nn.functional.normalize(centred_ND.double().T @ vector_K, dim=0)
    return vector_K.to(x_ND.dtype)


def _eigen(matrix: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` largest eigenvalues of a symmetric float64 matrix, descending, and their vectors."""
    size = len(matrix)
    # One thread: LAPACK's wait for each other at every row, and where one had to share its core with another
    # program 512 x 512 took 7 s and not 0.06 s.
    with single_threaded_blas():
        values, vectors = eigh(matrix.cpu().numpy(), subset_by_index=(size - count, size - 1))
    return torch.from_numpy(values).flip(0).to(matrix.device), torch.from_numpy(vectors).flip(1).to(matrix.device)
