"""Turning the hue, without the many cases of HSV.

Let v and m be a pixel's largest and smallest channel, c = v - m, and h its hue in sixths of the circle, counted from
red in both directions, so that -3 <= h <= 3 with green at 2 and blue at -2. Going round the hexagon,

    c |h| = (v - r) + (g - m) + (b - m),   and h has the sign of g - b,

and back again

    r = v - c clamp(|h| - 1),   g = m + c clamp(|h + 1| - 1),   b = m + c clamp(|h - 1| - 1),

clamped to [0, 1]. This is the turn by way of HSV (Smith 1978), but for rounding, in passes that need no condition.
"""

from __future__ import annotations

import torch
from torch import Tensor


def turn_hue_(x_B3HW: Tensor, shift_B111: Tensor) -> Tensor:
    """Turn the hue by a fraction of the colour circle, in place; float images in [0, 1]."""
    red, green, blue = x_B3HW[:, 0], x_B3HW[:, 1], x_B3HW[:, 2]
    high = torch.maximum(torch.maximum(red, green), blue)
    low = torch.minimum(torch.minimum(red, green), blue)
    hue = (high - red).add_(green - low).add_(blue - low).copysign_(green - blue)
    chroma = high - low
    hue = hue.div_(chroma.clamp_min(1e-30)).add_(6 * shift_B111[:, 0])  # grey pixels have no hue: any will do
    hue = hue.sub_((hue * (1 / 6)).round_().mul_(6))
    torch.sub(high, hue.abs().sub_(1).clamp_(0, 1).mul_(chroma), out=red)
    beside = torch.arange(1, -2, -2, dtype=hue.dtype, device=hue.device).view(1, 2, 1, 1)  # of green, then of blue
    off_B2HW = (hue.unsqueeze(1) + beside).abs_().sub_(1).clamp_(0, 1).mul_(chroma.unsqueeze(1))
    torch.add(low.unsqueeze(1), off_B2HW, out=x_B3HW[:, 1:])
    return x_B3HW
