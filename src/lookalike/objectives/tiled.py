"""NT-Xent over tiles: memory O(R * P), never R x R.

With unit rows u_i and s_ij = u_i . u_j / tau its heavy half is lse_i = log sum_{k != i} exp(s_ik). Similarities are
symmetric, so each tile above the diagonal serves its rows and its columns: half of the products. The backward pass
computes them again (one more product a tile, and two for the gradient):

    dL/du_i = 1/tau sum_j (g_i P_ij + g_j P_ji) u_j,   P_ij = exp(s_ij - lse_i),   g = dL/dlse

Rows are unit vectors, so similarities are from -1/tau to 1/tau. Where both exponentials are normal numbers no maxima
are needed; at low temperatures a running maximum is kept (as in FlashAttention, Dao et al. 2022).

Tiles come in rounds, in which no part of the rows stands twice. So each thread of a CPU can take tiles of its own
through all operations, in its own caches, and the tiles of a row are added up in one order however many threads there
are. On a GPU tiles are larger and compiled, as it would spend its time on launching what follows each product.
Axes: R rows, P projection size, I and J rows and columns of a tile.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from lookalike.core.comm import Comm
from lookalike.core.workers import Workers

_EPS = 1e-12  # a row shorter than this counts as one of this length, as in torch.nn.functional.normalize
_SAFE_RANGE = {torch.float32: 80.0, torch.float64: 700.0}  # exp of minus this is a normal number


def tiled_nt_xent(z_RP: Tensor, image_R: Tensor, temperature: float, tile: int) -> Tensor:
    """The scalar NT-Xent loss of rows z_RP (float32 or float64), differentiable once, in memory O(R * P + tile^2).

    Beside z, two tensors of its size are held (unit rows and the gradient), and one of a row an image.

    Args:
        z_RP: projections.
        image_R: int64, the image that each row is a view of, numbered from 0.
        temperature: tau.
        tile: rows and columns compared at a time.
    """
    return _TiledLoss.apply(z_RP, image_R, temperature, tile)


class _Context(FunctionCtx):
    """What a forward pass keeps for its backward pass."""

    saved_tensors: tuple[Tensor, ...]
    temperature: float
    tile: int
    bounded: bool
    comm: Comm


class _TiledLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: _Context, z_RP: Tensor, image_R: Tensor, temperature: float, tile: int) -> Tensor:
        length_R = z_RP.norm(dim=1)
        u_RP = z_RP / length_R.clamp_min(_EPS)[:, None]
        bounded = 2 / temperature <= _SAFE_RANGE[u_RP.dtype]
        lse_R = _bounded_sums(u_RP, temperature, tile) if bounded else _running_sums(u_RP, temperature, tile)
        images = int(image_R.max()) + 1 if u_RP.device.type == "cpu" else len(u_RP)  # a GPU is not waited for
        sum_MP = u_RP.new_zeros(images, u_RP.shape[1]).index_add_(0, image_R, u_RP)
        views_R = u_RP.new_zeros(images).index_add_(0, image_R, torch.ones_like(length_R))[image_R]
        pull_R = 1 / ((views_R - 1) * temperature)  # of each positive of a row
        total = u_RP.new_zeros(())
        for rows in _parts(len(u_RP), tile):
            others_IP = sum_MP[image_R[rows]].sub_(u_RP[rows])  # the sum of the row's positives
            total += (lse_R[rows] - others_IP.mul_(u_RP[rows]).sum(1) * pull_R[rows]).sum()
        ctx.save_for_backward(u_RP, length_R, lse_R, sum_MP, image_R, pull_R)
        ctx.temperature, ctx.tile, ctx.bounded = temperature, tile, bounded
        return total / len(u_RP)

    @staticmethod
    def backward(ctx: _Context, g: Tensor) -> tuple[Tensor, None, None, None]:
        u_RP, length_R, lse_R, sum_MP, image_R, pull_R = ctx.saved_tensors
        each = g / len(u_RP)
        dz_RP = _pushes(u_RP, lse_R, each, ctx.temperature, ctx.tile, ctx.bounded)
        for rows in _parts(len(u_RP), ctx.tile):  # from here on in place: the gradient of u becomes that of z
            du_IP, u_IP = dz_RP[rows], u_RP[rows]
            others_IP = sum_MP[image_R[rows]].sub_(u_IP)
            du_IP.sub_(others_IP.mul_(2 * each * pull_R[rows, None]))
            along_I1 = torch.where(length_R[rows] > _EPS, (du_IP * u_IP).sum(1), 0.0)[:, None]
            du_IP.sub_(u_IP * along_I1).div_(length_R[rows].clamp_min(_EPS)[:, None])
        return dz_RP, None, None, None


def _pushes(u_RP: Tensor, lse_R: Tensor, each: Tensor, temperature: float, tile: int, bounded: bool) -> Tensor:
    """sum_i each * dlse_i / du, [R, P]: what rows are pushed apart by."""
    du_RP = torch.zeros_like(u_RP)
    # exp(s) times this is each * P_ij, so that one exponential serves both directions of a pair
    weight_R = each * torch.exp(-lse_R) if bounded else lse_R

    def push(rows: slice, columns: slice, room: _Room) -> None:
        if bounded and fuses(u_RP):
            w_IJ = compiled(pair_weights)(u_RP[rows], u_RP[columns], temperature, weight_R[rows], weight_R[columns])
            if rows == columns:  # nobody is pushed away from itself
                w_IJ.fill_diagonal_(0)
        else:
            if bounded:
                w_IJ = _exponentials(u_RP, rows, columns, temperature, room)
                both_IJ = room.tile(1, *w_IJ.shape)
                w_IJ.mul_(torch.add(weight_R[rows, None], weight_R[columns], out=both_IJ))
            else:
                s_IJ = _similarities(u_RP, rows, columns, 1 / temperature, room)
                w_IJ = (torch.exp(s_IJ - lse_R[rows, None]) + torch.exp(s_IJ - lse_R[columns])) * each
        du_RP[rows].addmm_(w_IJ, u_RP[columns], alpha=1 / temperature)
        if rows != columns:
            du_RP[columns].addmm_(w_IJ.T, u_RP[rows], alpha=1 / temperature)

    _for_tiles(push, u_RP, tile)
    return du_RP


def pair_sums(a_IP: Tensor, b_JP: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Sums [I] and [J] of exp(s_ij) over different rows a and b."""
    e_IJ = torch.exp(a_IP @ b_JP.T / temperature)
    return e_IJ.sum(1), e_IJ.sum(0)


def pair_weights(a_IP: Tensor, b_JP: Tensor, temperature: float, weight_I: Tensor, weight_J: Tensor) -> Tensor:
    """exp(s_ij) (weight_i + weight_j), [I, J]: one tile is held, where writing it out would take two."""
    return torch.exp(a_IP @ b_JP.T / temperature) * (weight_I[:, None] + weight_J)


def fuses(u_RP: Tensor) -> bool:
    """Whether to compute tiles by compiled functions."""
    return u_RP.is_cuda


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled for shapes that change seldom."""
    return torch.compile(function, dynamic=False)


def _bounded_sums(u_RP: Tensor, temperature: float, tile: int) -> Tensor:
    sums_R = u_RP.new_zeros(len(u_RP))

    def add(rows: slice, columns: slice, room: _Room) -> None:
        if fuses(u_RP) and rows != columns:
            of_rows, of_columns = compiled(pair_sums)(u_RP[rows], u_RP[columns], temperature)
            sums_R[rows] += of_rows
            sums_R[columns] += of_columns
            return
        e_IJ = _exponentials(u_RP, rows, columns, temperature, room)
        sums_R[rows] += e_IJ.sum(1)
        if rows != columns:
            sums_R[columns] += e_IJ.sum(0)

    _for_tiles(add, u_RP, tile)
    return sums_R.log_()


def _running_sums(u_RP: Tensor, temperature: float, tile: int) -> Tensor:
    lse_R = u_RP.new_full((len(u_RP),), -torch.inf)

    def add(rows: slice, columns: slice, room: _Room) -> None:
        s_IJ = _similarities(u_RP, rows, columns, 1 / temperature, room)
        lse_R[rows] = torch.logaddexp(lse_R[rows], s_IJ.logsumexp(1))
        if rows != columns:
            lse_R[columns] = torch.logaddexp(lse_R[columns], s_IJ.logsumexp(0))

    _for_tiles(add, u_RP, tile)
    return lse_R


def own_log_sum_exp(u_RP: Tensor, temperature: float, tile: int, comm: Comm) -> Tensor:
    """lse [R] of this process's unit rows against those of all processes; differentiable once.

    Only values travel: the rows, and for the backward pass every row's lse and dL/dlse. The gradient is that of
    all processes' lse with respect to this one's rows. Every process must have R rows.
    """
    return _OwnLogSumExp.apply(u_RP, temperature, tile, comm)


class _OwnLogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: _Context, u_RP: Tensor, temperature: float, tile: int, comm: Comm) -> Tensor:
        every_NP = comm.gather(u_RP)
        lse_R = u_RP.new_full((len(u_RP),), -torch.inf)
        for rows, columns in _rectangle(len(u_RP), len(every_NP), tile):
            s_IJ = _against(u_RP, every_NP, rows, columns, temperature, comm.rank)
            lse_R[rows] = torch.logaddexp(lse_R[rows], s_IJ.logsumexp(1))
        ctx.save_for_backward(u_RP, every_NP, lse_R)
        ctx.temperature, ctx.tile, ctx.comm = temperature, tile, comm
        return lse_R

    @staticmethod
    def backward(ctx: _Context, g_R: Tensor) -> tuple[Tensor, None, None, None]:
        u_RP, every_NP, lse_R = ctx.saved_tensors
        lse_N, g_N = ctx.comm.gather(torch.stack([lse_R, g_R], 1)).unbind(1)
        du_RP = torch.zeros_like(u_RP)
        for rows, columns in _rectangle(len(u_RP), len(every_NP), ctx.tile):
            s_IJ = _against(u_RP, every_NP, rows, columns, ctx.temperature, ctx.comm.rank)
            w_IJ = torch.exp(s_IJ - lse_R[rows, None]) * g_R[rows, None]
            w_IJ += torch.exp(s_IJ - lse_N[columns]) * g_N[columns]
            du_RP[rows].addmm_(w_IJ, every_NP[columns], alpha=1 / ctx.temperature)
        return du_RP, None, None, None


def _rectangle(n: int, m: int, tile: int) -> Iterable[tuple[slice, slice]]:
    """Rows and columns of the tiles of n x m."""
    return itertools.product(_parts(n, tile), _parts(m, tile))


def _against(u_RP: Tensor, every_NP: Tensor, rows: slice, columns: slice, temperature: float, rank: int) -> Tensor:
    """s [I, J] of own rows and all rows, of which row i is number rank * R + i; to itself it is -inf."""
    s_IJ = torch.mm(u_RP[rows] / temperature, every_NP[columns].T)
    offset = rank * len(u_RP) + rows.start - columns.start
    if -s_IJ.shape[0] < offset < s_IJ.shape[1]:
        s_IJ.diagonal(offset).fill_(-torch.inf)
    return s_IJ


def _parts(n: int, tile: int) -> list[slice]:
    """Slices of n rows, `tile` at a time."""
    return [slice(start, min(start + tile, n)) for start in range(0, n, tile)]


class _Room:
    """Memory of two tiles, used again and again: it stays in a cache, and threads do not gather freed tiles each."""

    def __init__(self, like: Tensor, tile: int) -> None:
        self._like, self._size = like, min(tile, len(like)) ** 2
        self._tiles: dict[int, Tensor] = {}

    def tile(self, number: int, rows: int, columns: int) -> Tensor:
        """Tile 0 or 1 [rows, columns], whatever it holds."""
        if number not in self._tiles:
            self._tiles[number] = self._like.new_empty(self._size)
        return self._tiles[number][: rows * columns].view(rows, columns)


def _for_tiles(work: Callable[[slice, slice, _Room], None], u_RP: Tensor, tile: int) -> None:
    """Call work(rows, columns, room) for the tiles on and above the diagonal; it may write to its rows and columns."""
    parts = _parts(len(u_RP), tile)
    rooms: list[_Room] = []  # those that no thread is in
    with Workers(u_RP.device) as workers:
        for pairs in _rounds(len(parts)):

            def some(taken: slice, pairs: list[tuple[int, int]] = pairs) -> None:
                try:
                    room = rooms.pop()
                except IndexError:  # asking first could be too late: threads share the list
                    room = _Room(u_RP, tile)
                for i, j in pairs[taken]:
                    work(parts[i], parts[j], room)
                rooms.append(room)

            workers.for_blocks(some, len(pairs), 1)


def _rounds(n: int) -> Iterator[list[tuple[int, int]]]:
    """All pairs i <= j of 0..n-1 in rounds in which no number stands twice.

    First each with itself; then a tournament's, where one keeps its place and the others move around (circle method).
    """
    yield [(i, i) for i in range(n)]
    ring = n - 1 + n % 2  # an odd number gets a companion whose partner has a rest
    for turn in range(ring if n > 1 else 0):
        pairs = [(turn, ring)] if ring < n else []
        for step in range(1, ring // 2 + 1):
            i, j = (turn + step) % ring, (turn - step) % ring
            pairs.append((min(i, j), max(i, j)))
        yield pairs


def _exponentials(u_RP: Tensor, rows: slice, columns: slice, temperature: float, room: _Room) -> Tensor:
    """exp(s) [I, J], 0 for a row and itself; as a power of 2, which a CPU takes in little more than half the time."""
    return _similarities(u_RP, rows, columns, 1 / (temperature * math.log(2)), room).exp2_()


def _similarities(u_RP: Tensor, rows: slice, columns: slice, scale: float, room: _Room) -> Tensor:
    """scale * u_i . u_j [I, J] in a tile of the room; a row's similarity to itself is -inf."""
    s_IJ = room.tile(0, rows.stop - rows.start, columns.stop - columns.start)
    s_IJ.addmm_(u_RP[rows], u_RP[columns].T, beta=0, alpha=scale)
    return s_IJ.fill_diagonal_(-torch.inf) if rows == columns else s_IJ
