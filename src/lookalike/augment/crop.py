"""Random resized crop: two matrix products (`core/resample.py`). Mirroring what is cropped costs nothing.

The box is drawn as torchvision's RandomResizedCrop does (which the SimCLR paper, appendix A, names as its
equivalent), inside of each image's own size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lookalike.augment.flip import RandomHorizontalFlip
from lookalike.core.resample import resized_crop
from lookalike.core.torchscript import torchscript

_ATTEMPTS = 10  # boxes tried before the whole image (of allowed aspect) is taken


@torchscript
def _boxes(
    u_BU: Tensor, sizes_B2: Tensor, attempts: int, scale_low: float, scale_high: float, low: float, high: float
) -> Tensor:
    """Boxes [B, 4] int64; scales are shares of the area, `low` and `high` bound width / height."""
    sizes_B2 = sizes_B2.long()
    full_h, full_w = sizes_B2[:, :1], sizes_B2[:, 1:]
    area = full_h * full_w * (scale_low + (scale_high - scale_low) * u_BU[:, :attempts])
    ratio = torch.exp(math.log(low) + (math.log(high) - math.log(low)) * u_BU[:, attempts : 2 * attempts])
    width = torch.round(torch.sqrt(area * ratio)).long()
    height = torch.round(torch.sqrt(area / ratio)).long()
    fits = (width > 0) & (width <= full_w) & (height > 0) & (height <= full_h)
    first = fits.float().argmax(1, keepdim=True)
    any_fits_B1 = fits.any(1, keepdim=True)
    drawn_B2 = torch.cat([height.gather(1, first), width.gather(1, first)], 1)
    box_B2 = torch.where(any_fits_B1, drawn_B2, _whole(sizes_B2, low, high))
    room_B2 = sizes_B2 - box_B2
    corner_B2 = torch.floor(u_BU[:, -2:] * (room_B2 + 1)).long()
    return torch.cat([torch.where(any_fits_B1, corner_B2, room_B2 // 2), box_B2], 1)


def _whole(sizes_B2: Tensor, low: float, high: float) -> Tensor:
    """Heights and widths [B, 2] of the largest boxes of an allowed aspect."""
    height_B, width_B = sizes_B2[:, 0].double(), sizes_B2[:, 1].double()
    tall_B = (width_B / low).round().clamp_min(1)  # the height of an image that is too narrow
    wide_B = (height_B * high).round().clamp_min(1)
    aspect_B = width_B / height_B
    height_B, width_B = torch.where(aspect_B < low, tall_B, height_B), torch.where(aspect_B > high, wide_B, width_B)
    return torch.stack([height_B, width_B], 1).long()


@dataclass(frozen=True)
class RandomResizedCrop:
    """Crop a box of random area and aspect, resize it to size x size pixels."""

    size: int  # output side, pixels
    scale: tuple[float, float] = (0.08, 1.0)  # area as a fraction of the image's, drawn uniformly
    ratio: tuple[float, float] = (3 / 4, 4 / 3)  # width / height, drawn log-uniformly

    num_uniforms = 2 * _ATTEMPTS + 2

    def sample_params(self, u_BU: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor]:
        """Boxes [B, 4] int64 (top, left, height, width)."""
        return (self.boxes(u_BU, torch.tensor([shape[1:]]).expand(len(u_BU), 2)),)

    def boxes(self, u_BU: Tensor, sizes_B2: Tensor) -> Tensor:
        """Boxes [B, 4] int64 (top, left, height, width) inside of images of these heights and widths."""
        return _boxes(u_BU, sizes_B2, _ATTEMPTS, self.scale[0], self.scale[1], self.ratio[0], self.ratio[1])

    def forward(self, x_BCHW: Tensor, box_B4: Tensor) -> Tensor:
        return resized_crop(x_BCHW, box_B4, self.size)

    def forward_padded(self, x_BCHW: Tensor, u_BU: Tensor, sizes_B2: Tensor) -> tuple[Tensor, None]:
        """Crops of padded images: each box lies inside of its image."""
        return self.forward(x_BCHW, self.boxes(u_BU, sizes_B2)), None


@dataclass(frozen=True)
class RandomMirroredCrop:
    """A crop and then a mirroring in one: the weights of the crop's columns come in reverse order."""

    crop: RandomResizedCrop
    flip: RandomHorizontalFlip

    @property
    def num_uniforms(self) -> int:
        """Those of the crop, then those of the mirroring."""
        return self.crop.num_uniforms + self.flip.num_uniforms

    def sample_params(self, u_BU: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
        """Boxes [B, 4] int64 and a mask [B], true where the image is mirrored."""
        crop_BU, flip_BU = u_BU.split([self.crop.num_uniforms, self.flip.num_uniforms], 1)
        return *self.crop.sample_params(crop_BU, shape), *self.flip.sample_params(flip_BU, shape)

    def forward(self, x_BCHW: Tensor, box_B4: Tensor, mask_B: Tensor) -> Tensor:
        return resized_crop(x_BCHW, box_B4, self.crop.size, mask_B)

    def forward_padded(self, x_BCHW: Tensor, u_BU: Tensor, sizes_B2: Tensor) -> tuple[Tensor, None]:
        """Crops of padded images: each box lies inside of its image."""
        crop_BU, flip_BU = u_BU.split([self.crop.num_uniforms, self.flip.num_uniforms], 1)
        box_B4, (mask_B,) = self.crop.boxes(crop_BU, sizes_B2), self.flip.sample_params(flip_BU, (0, 0, 0))
        return self.forward(x_BCHW, box_B4, mask_B), None
