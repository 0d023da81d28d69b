"""A small residual network of configurable width, made for images of 16 to 64 pixels on a CPU.

Four stages of one basic block, widths w, 2w, 4w, 8w, as a quarter-depth ResNet; 0.3 million
parameters at w = 16, 1.2 million at 32. The stem halves the resolution at once by a 4x4 convolution:
at full resolution a CPU spends half of a step moving the activations of the few first channels (on 2
cores a step is 1.3 to 1.4 times as fast as with a 3x3 stem and a strided first stage). Between the
stages the map is averaged 2x2, not strided: the backward pass of a strided convolution takes two to three
times as long as that of the same arithmetic without a stride, so a step is 1.3 times as fast again.

The features are the averages of the quarters of the last map, not of the whole: where something is in
the image stays known. On CIFAR-10 that is worth 3 points of linear accuracy at the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor, nn

from lookalike.encoders.base import EncoderSpec
from lookalike.encoders.layers import halved, initialize, normalization
from lookalike.encoders.resnet import Basic

VARIANTS = ("",)
_STAGES = 4
_GRID = 2  # the last map is averaged in 2 x 2 parts


class ConvNet(nn.Module):
    """Images [B, C, S, S] to features [B, 8 * width * grid * grid], grid being 2, or 1 for tiny images."""

    def __init__(self, channels: int, image_size: int, width: int, small: bool, norm: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 4, 2, 1, bias=False)
        self.bn1 = normalization(norm, width)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        inputs = width
        for number in range(1, _STAGES + 1):
            outputs = width * 2 ** (number - 1)
            self.add_module(f"layer{number}", Basic(inputs, outputs, 1, norm))
            inputs = outputs
        self.map_channels = tuple(width * 2**number for number in range(_STAGES))
        last_side = math.ceil(image_size / (16 if small else 32))  # stem and three stages halve, and so does pooling
        self.grid = min(_GRID, last_side)
        self.out_features = inputs * self.grid**2
        # No residual branch starts at zero here, unlike in a ResNet: with four blocks there is no depth to
        # tame, and runs of a few epochs came out a point better (CIFAR-10, 3 epochs: 0.548 against 0.540).
        initialize(self, ())

    def maps(self, x_BCHW: Tensor) -> Iterator[Tensor]:
        """The outputs of the four stages [B, C, H, W], one after the other."""
        x = self.maxpool(F.relu(self.bn1(self.conv1(x_BCHW)), inplace=True))
        for number in range(1, _STAGES + 1):
            x = x if number == 1 else halved(x)
            x = self.get_submodule(f"layer{number}")(x)
            yield x

    def forward(self, x_BCHW: Tensor) -> Tensor:
        for stage in self.maps(x_BCHW):
            x = stage
        whole = x.shape[2] == x.shape[3] == self.grid  # as at 28 and 32 px: there is nothing to average
        return (x if whole else F.adaptive_avg_pool2d(x, self.grid)).flatten(1)


def build(variant: str, spec: EncoderSpec) -> ConvNet:
    """A convnet for the images of `spec`."""
    return ConvNet(spec.channels, spec.image_size, spec.width, spec.small_stem, spec.norm)
