"""Colour jitter in plain words, as it was before it was made fast: what the fast one is compared with."""

import itertools
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from lookalike.augment.base import chosen
from lookalike.augment.grayscale import luma

ORDERS = tuple(itertools.permutations(range(4)))  # 0 brightness, 1 contrast, 2 saturation, 3 hue


def _blend(x: Tensor, other: Tensor | float, factor: Tensor) -> Tensor:
    """factor * x + (1 - factor) * other, clamped to [0, 1]."""
    return (x * factor + other * (1 - factor)).clamp_(0.0, 1.0)


def adjust_brightness(x_BCHW: Tensor, factor_B111: Tensor) -> Tensor:
    """Multiply by a factor."""
    return (x_BCHW * factor_B111).clamp_(0.0, 1.0)


def adjust_contrast(x_BCHW: Tensor, factor_B111: Tensor, colour: bool = True) -> Tensor:
    """Blend with the mean grey of the image; three channels are weighted as the eye does where they mean colour."""
    grey = luma(x_BCHW) if colour and x_BCHW.shape[1] == 3 else x_BCHW
    return _blend(x_BCHW, grey.mean((1, 2, 3), keepdim=True), factor_B111)


def adjust_saturation(x_B3HW: Tensor, factor_B111: Tensor) -> Tensor:
    """Blend with the grey image."""
    return _blend(x_B3HW, luma(x_B3HW), factor_B111)


def adjust_hue(x_B3HW: Tensor, shift_B111: Tensor) -> Tensor:
    """Turn the hue by a fraction of the colour circle, through HSV."""
    r, g, b = x_B3HW.unbind(1)
    value = x_B3HW.amax(1)
    chroma = value - x_B3HW.amin(1)
    safe = torch.where(chroma > 0, chroma, 1.0)  # grey pixels have no hue: any will do
    sector = torch.where(
        value == r, (g - b) / safe, torch.where(value == g, 2 + (b - r) / safe, 4 + (r - g) / safe)
    )  # hue in sixths of the circle
    sector = sector + 6 * shift_B111[:, 0]
    # a channel is value - chroma * clamp(min(k, 4 - k), 0, 1), k = (n + sector) mod 6, n = 5, 3, 1
    n_3 = torch.tensor([5.0, 3.0, 1.0], dtype=x_B3HW.dtype, device=x_B3HW.device).view(1, 3, 1, 1)
    k = torch.remainder(n_3 + sector[:, None], 6.0)
    return value[:, None] - chroma[:, None] * torch.minimum(k, 4 - k).clamp_(0.0, 1.0)


_OPERATIONS = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)
_PLAIN = (adjust_brightness, partial(adjust_contrast, colour=False))  # what makes sense for any channels


def color_jitter(x_BCHW: Tensor, factors_B4: Tensor, order_B: Tensor, colour: bool = True) -> Tensor:
    """Apply the four operations to each image in its own order.

    Args:
        x_BCHW: float images in [0, 1].
        factors_B4: brightness, contrast and saturation factors and hue shift (fraction of the circle).
        order_B: int64 on the CPU, a row of `ORDERS` for each image; -1 leaves the image as it is.
        colour: whether three channels mean red, green and blue.

    Images of one order are processed together, a block that stays in the cache of a CPU.
    """
    if x_BCHW.shape[0] == 0:
        return x_BCHW
    acts: Sequence[Callable[[Tensor, Tensor], Tensor]] = _OPERATIONS if colour and x_BCHW.shape[1] == 3 else _PLAIN
    alike: dict[tuple[int, ...], list[int]] = {}  # rows of ORDERS by what they do to these images
    for k, order in enumerate(ORDERS):
        alike.setdefault(tuple(operation for operation in order if operation < len(acts)), []).append(k)
    factors_B4 = factors_B4.to(x_BCHW.device, x_BCHW.dtype, non_blocking=True)
    out = x_BCHW.clone()
    for operations, rows in alike.items():
        index = chosen(torch.isin(order_B, torch.tensor(rows)), x_BCHW.device)
        part, factors = x_BCHW[index], factors_B4[index]
        for operation in operations if len(index) else ():
            part = acts[operation](part, factors[:, operation].view(-1, 1, 1, 1))
        out[index] = part
    return out
