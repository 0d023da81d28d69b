"""Crop and resize as two matrix products.

Linear resizing along one axis is a matrix, so cropping and resizing an image is Wy @ image @ Wx^T
with small matrices of its own: batched matrix products, no gather. The filter is the antialiased
triangle that Pillow and torchvision use. Pixels outside of a box have weight zero, so images of differing
size can be padded to one size: the padding is never looked at.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from lookalike.core.arithmetic import outside_autocast

_TABLE = 2**21  # values of a table of matrices, at most: those for images of up to 35 px
_CACHED = 2**18  # values of images that are cropped together, which caches hold with their matrices and products
_MANY = 16  # images from which on a table is worth making


def resize_matrix(
    start_B: Tensor, length_B: Tensor, size_in: int, size_out: int, mirrored_B: Tensor | None = None
) -> Tensor:
    """Weights [B, size_out, size_in] that resize pixels start..start+length-1 to size_out pixels.

    Antialiased triangle filter: an output pixel averages the inputs within max(scale, 1) of its
    centre, scale = length / size_out. Pixels outside of the box have weight zero. Where `mirrored_B` is true, output
    pixels are in reverse order.
    """
    start_B11 = start_B.view(-1, 1, 1).to(torch.float32)
    length_B11 = length_B.view(-1, 1, 1).to(torch.float32)
    scale_B11 = length_B11 / size_out
    out_S1 = torch.arange(size_out, device=start_B.device, dtype=torch.float32).view(1, -1, 1)
    in_1S = torch.arange(size_in, device=start_B.device, dtype=torch.float32).view(1, 1, -1)
    if mirrored_B is not None:
        out_S1 = torch.where(mirrored_B.view(-1, 1, 1), size_out - 1 - out_S1, out_S1)
    centre = start_B11 + (out_S1 + 0.5) * scale_B11
    weight = ((in_1S + 0.5) - centre).abs_().div_(scale_B11.clamp_min(1.0)).neg_().add_(1.0).clamp_min_(0.0)
    weight *= ((in_1S >= start_B11) & (in_1S < start_B11 + length_B11)).to(torch.float32)
    return weight.div_(weight.sum(-1, keepdim=True))


def _entries(size_in: int) -> int:
    """How many matrices a table holds: a box may begin anywhere and end anywhere after that, mirrored or not."""
    return size_in * (size_in + 1)


@cache
def _table(size_in: int, size_out: int) -> tuple[Tensor, Tensor]:
    """All that `resize_matrix` can give for small images, which is then looked up.

    Returns:
        Numbers int64 [size_in, size_in] by length - 1 and start, and the matrices [entries, size_out, size_in] by these
        numbers, in the second half mirrored.
    """
    length_LS, start_LS = torch.meshgrid(torch.arange(1, size_in + 1), torch.arange(size_in), indexing="ij")
    fits_LS = length_LS + start_LS <= size_in
    number_LS = fits_LS.flatten().cumsum(0).view_as(fits_LS) - 1
    start, length = start_LS[fits_LS].repeat(2), length_LS[fits_LS].repeat(2)
    mirrored = torch.arange(len(start)) >= len(start) // 2
    return number_LS, resize_matrix(start, length, size_in, size_out, mirrored)


@outside_autocast
def resized_crop(x_BCHW: Tensor, box_B4: Tensor, size: int, mirrored_B: Tensor | None = None) -> Tensor:
    """Crop each image to its box (top, left, height, width; whole pixels) and resize to size x size.

    Where `mirrored_B` (bool) is true, the result is mirrored left to right.
    """
    top, left, height, width = box_B4.to(x_BCHW.device, non_blocking=True).unbind(1)
    if mirrored_B is not None:
        mirrored_B = mirrored_B.to(x_BCHW.device, non_blocking=True)
    n, channels, full_h, full_w = x_BCHW.shape
    if x_BCHW.device.type != "cpu":
        return _cropped(x_BCHW, (top, left, height, width), size, mirrored_B)
    out_BCSS = x_BCHW.new_empty((n, channels, size, size))
    group = max(1, _CACHED // (channels * full_h * full_w))
    for start in range(0, n, group):
        rows = slice(start, start + group)
        box = (top[rows], left[rows], height[rows], width[rows])
        out_BCSS[rows] = _cropped(x_BCHW[rows], box, size, None if mirrored_B is None else mirrored_B[rows])
    return out_BCSS


def _cropped(
    x_BCHW: Tensor, box: tuple[Tensor, Tensor, Tensor, Tensor], size: int, mirrored_B: Tensor | None
) -> Tensor:
    """`resized_crop` of images that are taken together; `box` is top, left, height, width."""
    top, left, height, width = box
    n, channels, full_h, full_w = x_BCHW.shape
    if n >= _MANY and full_h == full_w and _entries(full_w) * full_w * size <= _TABLE and x_BCHW.device.type == "cpu":
        number_LS, table = _table(full_w, size)
        numbers = number_LS[width - 1, left]
        columns = table.index_select(0, numbers if mirrored_B is None else numbers + mirrored_B * (len(table) // 2))
        rows = table.index_select(0, number_LS[height - 1, top].repeat_interleave(channels))
    else:
        columns = resize_matrix(left, width, full_w, size, mirrored_B)
        rows = resize_matrix(top, height, full_h, size).repeat_interleave(channels, 0)
    # one product for all channels of an image along the rows, then one for each channel: letting
    # matmul broadcast over channels instead takes twice the time on a CPU
    narrow = torch.bmm(x_BCHW.reshape(n, channels * full_h, full_w), columns.transpose(1, 2))
    return torch.bmm(rows, narrow.view(n * channels, full_h, size)).view(n, channels, size, size)


def central_boxes(sizes_B2: Tensor) -> Tensor:
    """Boxes int64 [B, 4] (top, left, side, side) of the largest central square of images of these sizes.

    Args:
        sizes_B2: integers, height and width; the images lie in the upper left corner.
    """
    sizes_B2 = sizes_B2.long()
    side_B1 = sizes_B2.amin(1, keepdim=True)
    return torch.cat([(sizes_B2 - side_B1) // 2, side_B1, side_B1], 1)
