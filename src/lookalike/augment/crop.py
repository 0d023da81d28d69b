"""Random resized crop as two matrix products.

Linear resizing along one axis is a matrix, so cropping and resizing an image is Wy @ image @ Wx^T
with small matrices of its own: batched matrix products, no gather. The filter is the antialiased
triangle that Pillow and torchvision use; the box is drawn as torchvision's RandomResizedCrop does
(which the SimCLR paper, appendix A, names as its equivalent).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_ATTEMPTS = 10  # boxes tried before the whole image (of allowed aspect) is taken


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


@dataclass(frozen=True)
class RandomResizedCrop:
    """Crop a box of random area and aspect, resize it to size x size pixels."""

    size: int  # output side, pixels
    scale: tuple[float, float] = (0.08, 1.0)  # area as a fraction of the image's, drawn uniformly
    ratio: tuple[float, float] = (3 / 4, 4 / 3)  # width / height, drawn log-uniformly

    draws = 2 * _ATTEMPTS + 2

    def draw(self, u_BU: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor]:
        """Boxes [B, 4] int64 (top, left, height, width)."""
        _, full_h, full_w = shape
        low, high = (math.log(r) for r in self.ratio)
        area = full_h * full_w * (self.scale[0] + (self.scale[1] - self.scale[0]) * u_BU[:, :_ATTEMPTS])
        ratio = torch.exp(low + (high - low) * u_BU[:, _ATTEMPTS : 2 * _ATTEMPTS])
        width = torch.round(torch.sqrt(area * ratio)).long()
        height = torch.round(torch.sqrt(area / ratio)).long()
        fits = (width > 0) & (width <= full_w) & (height > 0) & (height <= full_h)
        first = fits.float().argmax(1, keepdim=True)
        fallback_h, fallback_w = self._whole(full_h, full_w)
        found = fits.any(1)
        height_B = torch.where(found, height.gather(1, first)[:, 0], fallback_h)
        width_B = torch.where(found, width.gather(1, first)[:, 0], fallback_w)
        room = torch.stack([full_h - height_B, full_w - width_B], 1)
        corner = torch.floor(u_BU[:, -2:] * (room + 1)).long()
        corner = torch.where(found[:, None], corner, room // 2)
        return (torch.cat([corner, torch.stack([height_B, width_B], 1)], 1),)

    def _whole(self, full_h: int, full_w: int) -> tuple[int, int]:
        """The largest central box of an allowed aspect."""
        if full_w / full_h < self.ratio[0]:
            return max(1, round(full_w / self.ratio[0])), full_w
        if full_w / full_h > self.ratio[1]:
            return full_h, max(1, round(full_h * self.ratio[1]))
        return full_h, full_w

    def apply(self, x_BCHW: Tensor, box_B4: Tensor) -> Tensor:
        return resized_crop(x_BCHW, box_B4, self.size)
