"""One operation of the colour jitter at a time, the others at a strength that changes nothing."""

import torch
from torch import Tensor

from lookalike.augment.color import color_jitter


def jittered(
    x_BCHW: Tensor, brightness: float = 1.0, contrast: float = 1.0, saturation: float = 1.0, hue: float = 0.0
) -> Tensor:
    """All images with these factors and this shift of hue, in this order."""
    factors_B4 = torch.tensor([[brightness, contrast, saturation, hue]]).expand(len(x_BCHW), 4)
    return color_jitter(x_BCHW, factors_B4, torch.zeros(len(x_BCHW), dtype=torch.int64))
