"""Features that need no training, for a network to be compared with: what anybody would try in ten lines.

- pixels: the values of the image, brought to 32 px at the most.
- histograms: a colour histogram and a coarse thumbnail, side by side. The histogram's square roots have length 1, so
  that the product of two is the Bhattacharyya coefficient of the colours; the thumbnail is freed of its mean and scaled
  to length 1, so that the product of two is the correlation of what lies where. Each counts one half.

Axes: N images, C channels, S rows and columns, D features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.augment.base import as_float
from lookalike.core.comm import blocks
from lookalike.core.progress import Phase, phase
from lookalike.data.padded import CenterCrops

_SIDE = 32  # px; larger images are brought to this size
_THUMBNAIL = 8  # px, the side of the coarse thumbnail
_LEVELS = 16  # bins of a channel that has a histogram of its own
_COLOUR_LEVELS = 4  # bins of each of three channels, whose histogram is a joint one of 64
_EVEN = 1e-4  # length of a thumbnail below which it holds rounding and no more

FeatureFunction = Callable[[Tensor | CenterCrops], Tensor]
"""From images, uint8 [N, C, S, S], to features float32 [N, D]."""


def pixel_features(images_NCHW: Tensor | CenterCrops) -> Tensor:
    """Raw pixels [N, C*S*S] (float32 in [0, 1]), images larger than 32 px brought to 32 px."""
    with phase("taking pixels as features", len(images_NCHW)) as p:
        return torch.cat([_small(part).flatten(1) for part in _parts(images_NCHW, p)])


def histogram_features(images_NCHW: Tensor | CenterCrops) -> Tensor:
    """Colour histogram and coarse thumbnail [N, D] (float32), images larger than 32 px brought to 32 px.

    Three channels have one histogram of their 64 colours; any other number of channels have one each, of 16 levels.
    """
    features = []
    with phase("taking colour histograms as features", len(images_NCHW)) as p:
        for part in _parts(images_NCHW, p):
            x_NCHW = _small(part)
            features.append(torch.cat([_histograms(x_NCHW), _thumbnails(x_NCHW)], dim=1))
    return torch.cat(features)


def _parts(images_NCHW: Tensor | CenterCrops, counting: Phase) -> Iterator[Tensor]:
    for block in blocks(len(images_NCHW)):
        yield images_NCHW[block]
        counting.at(block.stop)


def _small(images_NCHW: Tensor) -> Tensor:
    x_NCHW = as_float(images_NCHW)
    if x_NCHW.shape[-1] > _SIDE:
        x_NCHW = F.interpolate(x_NCHW, size=(_SIDE, _SIDE), mode="bilinear", antialias=True)
    return x_NCHW


def _histograms(x_NCHW: Tensor) -> Tensor:
    """Square roots of the shares of pixels in each bin, of length 1."""
    channels = x_NCHW.shape[1]
    joint = channels == 3
    levels = _COLOUR_LEVELS if joint else _LEVELS
    level_NCP = (x_NCHW.flatten(2) * levels).long().clamp(0, levels - 1)
    if joint:
        place = torch.tensor([levels**2, levels, 1], device=x_NCHW.device)
        code_NP, bins = (level_NCP * place[:, None]).sum(1), levels**3
    else:
        first = levels * torch.arange(channels, device=x_NCHW.device)
        code_NP, bins = (level_NCP + first[:, None]).flatten(1), levels * channels
    count_NB = x_NCHW.new_zeros(len(x_NCHW), bins)
    count_NB.scatter_add_(1, code_NP, torch.ones_like(code_NP, dtype=count_NB.dtype))
    return (count_NB / code_NP.shape[1]).sqrt()


def _thumbnails(x_NCHW: Tensor) -> Tensor:
    """Averages of up to 8 x 8 parts of the image, minus the mean of each channel, of length 1 (0 for an even image)."""
    side = min(_THUMBNAIL, x_NCHW.shape[-1])
    coarse_NCT = F.adaptive_avg_pool2d(x_NCHW, (side, side)).flatten(2)
    coarse_NCT = coarse_NCT - coarse_NCT.mean(2, keepdim=True)
    x_ND = coarse_NCT.flatten(1)
    length_N1 = x_ND.norm(dim=1, keepdim=True)
    return torch.where(length_N1 > _EVEN, x_ND / length_N1.clamp_min(_EVEN), 0.0)


BASELINES: dict[str, FeatureFunction] = {"pixels": pixel_features, "histograms": histogram_features}
"""By the names that options, events and evaluation.json have for them."""
