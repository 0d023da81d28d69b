"""Random rotation, scaling, shearing and shifting about the centre, bilinear, black outside."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.core.arithmetic import outside_autocast


@outside_autocast
def affine(x_BCHW: Tensor, forward_B22: Tensor, shift_B2: Tensor, sizes_B2: Tensor | None = None) -> Tensor:
    """Move each image's content by a linear map about the centre, then by a shift.

    Args:
        x_BCHW: float images.
        forward_B22: maps (right, down) offsets from the centre, in pixels, of the original to those of
            the result; invertible.
        shift_B2: (right, down), as fractions of width and height.
        sizes_B2: height and width of the images, which lie in the upper left corner and are black
            elsewhere; None where no image is padded. Each is moved about its own centre, and what comes to lie outside
            of its own size means nothing.
    """
    height, width = x_BCHW.shape[2:]
    a, b, c, d = forward_B22.flatten(1).unbind(1)
    adjugate = torch.stack([torch.stack([d, -b], 1), torch.stack([-c, a], 1)], 1)
    backward = adjugate / (a * d - b * c)[:, None, None]  # a batch of LAPACK calls takes longer than the rest
    full = torch.tensor([[width, height]], dtype=backward.dtype)
    own_B2 = full if sizes_B2 is None else sizes_B2.flip(1).to(backward.dtype)
    # grid_sample counts from -1 to 1 over each side: scale the map to that, for oblong images too
    scaled = backward * own_B2[:, None] / own_B2[:, :, None]
    offset = -2 * (scaled @ shift_B2[:, :, None])
    theta = torch.cat([scaled, offset], 2).to(x_BCHW.device, x_BCHW.dtype, non_blocking=True)
    x_1W1 = _centres(width, x_BCHW).view(1, 1, -1, 1)
    y_H11 = _centres(height, x_BCHW).view(1, -1, 1, 1)
    across, down, constant = (theta[:, None, None, :, k] for k in range(3))
    # as affine_grid, whose many tiny matrix products take longer than these three passes
    if sizes_B2 is None:
        grid_BHW2 = x_1W1 * across + (y_H11 * down + constant)
    else:
        share = (own_B2 / full).to(x_BCHW.device, x_BCHW.dtype, non_blocking=True)[:, None, None]
        x_B1W1, y_BH11 = ((c + 1) / share[..., k, None] - 1 for k, c in enumerate((x_1W1, y_H11)))
        grid_BHW2 = (x_B1W1 * across + (y_BH11 * down + constant) + 1) * share - 1
    return F.grid_sample(x_BCHW, grid_BHW2, mode="bilinear", padding_mode="zeros", align_corners=False)


def _centres(n: int, like: Tensor) -> Tensor:
    """Centres of n pixels on the scale from -1 to 1."""
    return (2 * torch.arange(n, device=like.device, dtype=like.dtype) + 1) / n - 1


def rotation(angle_B: Tensor) -> Tensor:
    """Maps [B, 2, 2] that turn (right, down) offsets counter-clockwise by angles in radians."""
    cos, sin = torch.cos(angle_B), torch.sin(angle_B)
    return torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], 1)


@dataclass(frozen=True)
class RandomAffine:
    """Rotate, scale, shear and shift by amounts drawn uniformly (the scale log-uniformly)."""

    degrees: float = 0.0  # rotation within [-degrees, degrees]
    shift: float = 0.0  # within [-shift, shift] of the side, each way
    scale: tuple[float, float] = (1.0, 1.0)
    shear: float = 0.0  # degrees; horizontal, as a slant of writing

    num_uniforms = 5

    @outside_autocast
    def sample_params(self, u_BU: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
        """Linear maps [B, 2, 2] and shifts [B, 2]."""
        centred = 2 * u_BU - 1
        slant = torch.eye(2).repeat(len(u_BU), 1, 1)
        slant[:, 0, 1] = torch.tan(centred[:, 1] * math.radians(self.shear))
        low, high = (math.log(s) for s in self.scale)
        scale = torch.exp(low + (high - low) * u_BU[:, 2])
        turn = rotation(centred[:, 0] * math.radians(self.degrees))
        return turn @ slant * scale[:, None, None], centred[:, 3:5] * self.shift

    def forward(self, x_BCHW: Tensor, forward_B22: Tensor, shift_B2: Tensor) -> Tensor:
        return affine(x_BCHW, forward_B22, shift_B2)

    def forward_padded(self, x_BCHW: Tensor, u_BU: Tensor, sizes_B2: Tensor) -> tuple[Tensor, Tensor]:
        """The same about the centre of each image without its padding."""
        return affine(x_BCHW, *self.sample_params(u_BU, (0, 0, 0)), sizes_B2), sizes_B2
