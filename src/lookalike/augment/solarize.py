"""Random solarisation: what is brighter than a threshold is inverted, as in BYOL (Grill et al. 2020, appendix B)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lookalike.augment.base import chosen


@dataclass(frozen=True)
class RandomSolarize:
    """Invert the values from `threshold` on of an image, with probability `p`."""

    p: float = 0.2
    threshold: float = 0.5  # of 1

    num_uniforms = 1

    def sample_params(self, u_BU: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor]:
        """A mask [B], true where the image is solarised."""
        return (u_BU[:, 0] < self.p,)

    def forward(self, x_BCHW: Tensor, mask_B: Tensor) -> Tensor:
        index = chosen(mask_B, x_BCHW.device)
        x_KCHW = x_BCHW.index_select(0, index)
        return x_BCHW.index_copy(0, index, torch.where(x_KCHW >= self.threshold, 1 - x_KCHW, x_KCHW))
