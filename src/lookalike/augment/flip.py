"""Random horizontal flip."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lookalike.augment.base import chosen


def horizontal_flip(x_BCHW: Tensor, index_K: Tensor) -> Tensor:
    """Mirror the images `index_K` left to right."""
    return horizontal_flip_(x_BCHW.clone(), index_K)


def horizontal_flip_(x_BCHW: Tensor, index_K: Tensor) -> Tensor:
    """The same in place."""
    return x_BCHW.index_copy_(0, index_K, x_BCHW.index_select(0, index_K).flip(-1))


@dataclass(frozen=True)
class RandomHorizontalFlip:
    """Mirror an image with probability `p`."""

    p: float = 0.5

    num_uniforms = 1

    def sample_params(self, u_BU: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor]:
        """A mask [B], true where the image is mirrored."""
        return (u_BU[:, 0] < self.p,)

    def forward(self, x_BCHW: Tensor, mask_B: Tensor) -> Tensor:
        return horizontal_flip(x_BCHW, chosen(mask_B, x_BCHW.device))

    def forward_(self, x_BCHW: Tensor, mask_B: Tensor) -> Tensor:
        return horizontal_flip_(x_BCHW, chosen(mask_B, x_BCHW.device))
