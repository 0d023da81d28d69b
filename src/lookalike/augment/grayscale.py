"""Random conversion to grey, kept as three equal channels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lookalike.augment.base import chosen


def luma(x_B3HW: Tensor) -> Tensor:
    """Luma [B, 1, H, W] by the ITU-R 601 weights, as torchvision rounds them."""
    r, g, b = x_B3HW.unbind(1)
    return (0.2989 * r).add_(0.587 * g).add_(0.114 * b)[:, None]


def grayscale(x_B3HW: Tensor, index_K: Tensor) -> Tensor:
    """Make the images `index_K` grey."""
    return grayscale_(x_B3HW.clone(), index_K)


def grayscale_(x_B3HW: Tensor, index_K: Tensor) -> Tensor:
    """The same in place."""
    return x_B3HW.index_copy_(0, index_K, luma(x_B3HW.index_select(0, index_K)).expand(-1, 3, -1, -1))


@dataclass(frozen=True)
class RandomGrayscale:
    """Make an image grey with probability `p`; does nothing unless there are three channels that mean colour."""

    p: float = 0.2
    colour: bool = True  # whether three channels do

    num_uniforms = 1

    def sample_params(self, u_BU: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor]:
        """A mask [B], true where the image becomes grey."""
        return (u_BU[:, 0] < self.p,)

    def forward(self, x_BCHW: Tensor, mask_B: Tensor) -> Tensor:
        return self.forward_(x_BCHW.clone(), mask_B)

    def forward_(self, x_BCHW: Tensor, mask_B: Tensor) -> Tensor:
        return grayscale_(x_BCHW, chosen(mask_B, x_BCHW.device)) if self.colour and x_BCHW.shape[1] == 3 else x_BCHW
