"""Crop and resize as two matrix products.

Linear resizing along one axis is a matrix, so cropping and resizing an image is Wy @ image @ Wx^T
with small matrices of its own: batched matrix products, no gather. The filter is the antialiased
triangle that Pillow and torchvision use. Pixels outside of a box have weight zero, so images of differing
size can lie on canvases of one size: what is beside them is never looked at.
"""

from __future__ import annotations

import torch
from torch import Tensor


def resize_matrix(start_B: Tensor, length_B: Tensor, size_in: int, size_out: int) -> Tensor:
    """Weights [B, size_out, size_in] that resize pixels start..start+length-1 to size_out pixels.

    Antialiased triangle filter: an output pixel averages the inputs within max(scale, 1) of its
    centre, scale = length / size_out. Pixels outside of the box have weight zero.
    """
    start_B11 = start_B.view(-1, 1, 1).to(torch.float32)
    length_B11 = length_B.view(-1, 1, 1).to(torch.float32)
    scale_B11 = length_B11 / size_out
    out_S1 = torch.arange(size_out, device=start_B.device, dtype=torch.float32).view(1, -1, 1)
    in_1S = torch.arange(size_in, device=start_B.device, dtype=torch.float32).view(1, 1, -1)
    centre = start_B11 + (out_S1 + 0.5) * scale_B11
    weight = (1 - (in_1S + 0.5 - centre).abs() / scale_B11.clamp_min(1.0)).clamp_min_(0.0)
    weight *= (in_1S >= start_B11) & (in_1S < start_B11 + length_B11)
    return weight / weight.sum(-1, keepdim=True)


def resized_crop(x_BCHW: Tensor, box_B4: Tensor, size: int) -> Tensor:
    """Crop each image to its box (top, left, height, width; whole pixels) and resize to size x size."""
    top, left, height, width = box_B4.to(x_BCHW.device, non_blocking=True).unbind(1)
    n, channels, full_h, full_w = x_BCHW.shape
    rows = resize_matrix(top, height, full_h, size).repeat_interleave(channels, 0)
    columns = resize_matrix(left, width, full_w, size)
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
