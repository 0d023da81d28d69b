"""Random rotation about the centre, bilinear, with black outside of the image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


def rotate(x_BCHW: Tensor, angle_B: Tensor) -> Tensor:
    """Rotate each image by its angle (radians, counter-clockwise) about its centre."""
    height, width = x_BCHW.shape[2:]
    angle_B = angle_B.to(x_BCHW.device, x_BCHW.dtype, non_blocking=True)
    cos, sin = torch.cos(angle_B), torch.sin(angle_B)
    zero = torch.zeros_like(cos)
    # affine_grid works in coordinates scaled to [-1, 1]; the ratio undoes that for oblong images
    theta = torch.stack([cos, -sin * height / width, zero, sin * width / height, cos, zero], 1)
    grid = F.affine_grid(theta.view(-1, 2, 3), list(x_BCHW.shape), align_corners=False)
    return F.grid_sample(x_BCHW, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


@dataclass(frozen=True)
class RandomRotation:
    """Rotate by an angle drawn uniformly from [-degrees, degrees]."""

    degrees: float

    draws = 1

    def draw(self, u_BU: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor]:
        """Angles [B], radians, counter-clockwise."""
        return ((2 * u_BU[:, 0] - 1) * math.radians(self.degrees),)

    def apply(self, x_BCHW: Tensor, angle_B: Tensor) -> Tensor:
        return rotate(x_BCHW, angle_B)
