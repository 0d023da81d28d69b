"""Colour jitter: brightness, contrast, saturation and hue in an order drawn per image.

The four operations are those of torchvision's ColorJitter on float images, clamped to [0, 1] after
each (SimCLR paper, appendix A). Saturation and hue need three channels that mean colour; where channels are
something else only brightness and contrast act, on all of an image's channels alike.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Optional

import torch
from torch import Tensor

from lookalike.augment.grayscale import luma
from lookalike.augment.hue import turn_hue_
from lookalike.core.torchscript import torchscript

_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = range(4)
ORDERS = tuple(itertools.permutations(range(4)))
_WHEN = torch.tensor([*(order.index(_HUE) for order in ORDERS), 4])  # the last is for images that are left alone
_STEPS = torch.tensor([[o for o in order if o != _HUE] for order in ORDERS])
_PLAIN_STEPS = torch.tensor([[o for o in order if o < _SATURATION] for order in ORDERS])  # of channels of any meaning
_HUES_AT_ONCE = 64  # images whose hue is turned at once


def _blend_(x_BCHW: Tensor, weight: Tensor, mean: Tensor, grey: Optional[Tensor], colour: bool) -> Tensor:  # noqa: UP045
    """weight * image + mean * its mean grey + grey * the grey image, clamped, in place; shares [B, 1, 1, 1].

    One of three operations for each image: shares of zero change no bit. `grey` is None where none has any.
    """
    grey_B1HW = luma(x_BCHW) if colour else x_BCHW
    added = grey_B1HW.mean([1, 2, 3], keepdim=True).mul_(mean)
    if grey is not None:
        added = grey_B1HW.mul_(grey).add_(added)
    return x_BCHW.mul_(weight).add_(added).clamp_(0.0, 1.0)


def color_jitter(x_BCHW: Tensor, factors_B4: Tensor, order_B: Tensor, colour: bool = True) -> Tensor:
    """Apply the four operations to each image in its own order.

    What takes time here are the calls, of which each image would need dozens. Brightness, contrast and saturation
    are one operation with three numbers an image, so that all images take their first, second and third step at
    once. Hue comes before, between or after these steps: images are sorted by when, and turned in four groups.

    Args:
        x_BCHW: float images in [0, 1]; they stay as they are.
        factors_B4: brightness, contrast and saturation factors and hue shift (fraction of the circle).
        order_B: int64 on the CPU, a row of `ORDERS` for each image; -1 leaves the image as it is.
        colour: whether three channels mean red, green and blue.
    """
    colour = colour and x_BCHW.shape[1] == 3
    when_B, rows_B = _WHEN[order_B].sort(stable=True)
    ends = [0, *torch.searchsorted(when_B, torch.arange(1, 5)).tolist()]
    sorted_BCHW = x_BCHW.index_select(0, rows_B.to(x_BCHW.device, non_blocking=True))
    acted_B = rows_B[: ends[-1]]
    steps_BS = (_STEPS if colour else _PLAIN_STEPS)[order_B[acted_B]]
    own_BS = factors_B4[acted_B].gather(1, steps_BS)
    shares_QBS = torch.stack([own_BS, *(torch.where(steps_BS == o, 1 - own_BS, 0) for o in (_CONTRAST, _SATURATION))])
    shares_QBS = shares_QBS.to(x_BCHW.device, x_BCHW.dtype, non_blocking=True)
    shift_B = factors_B4[acted_B, _HUE].to(x_BCHW.device, x_BCHW.dtype, non_blocking=True)
    _act_(sorted_BCHW, ends, shift_B.view(-1, 1, 1, 1), shares_QBS, colour, _HUES_AT_ONCE)
    return sorted_BCHW.index_select(0, rows_B.argsort().to(x_BCHW.device, non_blocking=True))


def _act(
    x_BCHW: Tensor, ends: list[int], shift_B111: Tensor, shares_QBS: Tensor, colour: bool, hues_at_once: int
) -> None:
    """Turn hues before, between and after the steps that blend, in place.

    Args:
        x_BCHW: images, sorted by the number of steps that come before their hue turns.
        ends: where images of each such number end, after a zero; those beyond stay as they are.
        shift_B111: of the hue.
        shares_QBS: `_blend_`'s three shares, for each image and step.
        colour: whether the channels mean red, green and blue.
        hues_at_once: images whose hue is turned at once.
    """
    acted_BCHW = x_BCHW[: ends[-1]]
    for k in range(len(ends) - 1):
        if colour:
            for first in range(ends[k], ends[k + 1], hues_at_once):
                last = min(ends[k + 1], first + hues_at_once)
                turn_hue_(x_BCHW[first:last], shift_B111[first:last])
        if k < shares_QBS.shape[2] and ends[-1] > 0:
            shares = shares_QBS[:, :, k].reshape(3, -1, 1, 1, 1)
            _blend_(acted_BCHW, shares[0], shares[1], shares[2] if colour else None, colour)


_act_ = torchscript(_act)


@dataclass(frozen=True)
class ColorJitter:
    """Random colour distortion with probability `p`.

    Factors are uniform in [max(0, 1 - x), 1 + x], the hue shift in [-hue, hue].
    """

    brightness: float
    contrast: float
    saturation: float
    hue: float  # fraction of the colour circle, at most 0.5
    p: float = 0.8
    colour: bool = True  # whether three channels mean red, green and blue

    num_uniforms = 6

    def sample_params(self, u_BU: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
        """Factors [B, 4] and the order of each image [B] (-1: untouched)."""
        low = torch.tensor([max(0.0, 1 - v) for v in self._strength()] + [-self.hue])
        high = torch.tensor([1 + v for v in self._strength()] + [self.hue])
        factors = low + (high - low) * u_BU[:, :4]
        order = torch.floor(u_BU[:, 4] * len(ORDERS)).long()
        return factors, torch.where(u_BU[:, 5] < self.p, order, -1)

    def _strength(self) -> tuple[float, float, float]:
        return self.brightness, self.contrast, self.saturation

    def forward(self, x_BCHW: Tensor, factors_B4: Tensor, order_B: Tensor) -> Tensor:
        return color_jitter(x_BCHW, factors_B4, order_B, self.colour)
