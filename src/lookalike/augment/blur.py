"""Random Gaussian blur with a width drawn per image.

Kernel size as in the SimCLR code: 2 * ((side // 10) // 2) + 1 taps (3 at 32 px, 23 at 224 px), sigma
uniform in [0.1, 2] pixels. The border is reflected, as torchvision does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.augment.base import chosen
from lookalike.core.arithmetic import outside_autocast


def taps(side: int) -> int:
    """Kernel size, pixels, for images `side` pixels high (methods: radius = (side // 10) // 2)."""
    return 2 * ((side // 10) // 2) + 1


def gaussian_kernel(sigma_B: Tensor, size: int) -> Tensor:
    """Kernels [B, size] that sum to one; `sigma_B` in pixels."""
    offset = torch.arange(size, device=sigma_B.device, dtype=sigma_B.dtype) - (size - 1) / 2
    return torch.softmax(-0.5 * (offset / sigma_B[:, None]) ** 2, dim=1)


@outside_autocast
def gaussian_blur(x_BCHW: Tensor, sigma_B: Tensor, size: int) -> Tensor:
    """Blur each image by a Gaussian of its own sigma (pixels) with `size` taps, rows then columns."""
    n, channels, height, width = x_BCHW.shape
    if size == 1 or n == 0:
        return x_BCHW
    kernel = gaussian_kernel(sigma_B.to(x_BCHW.device, x_BCHW.dtype), size)
    kernel = kernel.repeat_interleave(channels, 0)[:, None, None]
    x = F.pad(x_BCHW, [size // 2] * 4, mode="reflect").reshape(1, n * channels, *_padded(height, width, size))
    if n * channels == 1:  # a lone plane would go to another algorithm, which rounds differently
        x, kernel = x.repeat(1, 2, 1, 1), kernel.repeat(2, 1, 1, 1)
    x = F.conv2d(x, kernel, groups=len(kernel))
    x = F.conv2d(x, kernel.transpose(2, 3), groups=len(kernel))
    return x[:, : n * channels].view(n, channels, height, width)


def _padded(height: int, width: int, size: int) -> tuple[int, int]:
    return height + 2 * (size // 2), width + 2 * (size // 2)


@dataclass(frozen=True)
class RandomGaussianBlur:
    """Blur an image with probability `p`."""

    p: float = 0.5
    sigma: tuple[float, float] = (0.1, 2.0)  # pixels

    num_uniforms = 2

    def sample_params(self, u_BU: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
        """Widths [B] in pixels and a mask [B], true where the image is blurred."""
        return self.sigma[0] + (self.sigma[1] - self.sigma[0]) * u_BU[:, 0], u_BU[:, 1] < self.p

    def forward(self, x_BCHW: Tensor, sigma_B: Tensor, mask_B: Tensor) -> Tensor:
        return self.forward_(x_BCHW.clone(), sigma_B, mask_B)

    def forward_(self, x_BCHW: Tensor, sigma_B: Tensor, mask_B: Tensor) -> Tensor:
        index = chosen(mask_B, x_BCHW.device)
        return x_BCHW.index_copy_(
            0, index, gaussian_blur(x_BCHW.index_select(0, index), sigma_B[mask_B], taps(x_BCHW.shape[2]))
        )
