"""ResNet-18, -34 and -50 (He et al. 2016) with torchvision's parameter names and widths.

The small stem is one 3x3 convolution without pooling (SimCLR paper, appendix B.9); the large one is
torchvision's 7x7 convolution and max-pooling. There is no classifier: the output is the global
average pool, 512 or 2048 numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor, nn

from lookalike.encoders.base import EncoderSpec
from lookalike.encoders.layers import initialize, normalization

VARIANTS = ("18", "34", "50")
_STAGES = {"18": (2, 2, 2, 2), "34": (3, 4, 6, 3), "50": (3, 4, 6, 3)}
_STEM_WIDTH = 64


def _conv(inputs: int, outputs: int, side: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, stride, padding=side // 2, bias=False)


class Basic(nn.Module):
    """Two 3x3 convolutions and a shortcut (ResNet-18, -34)."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, norm: str) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, width, 3, stride)
        self.bn1 = normalization(norm, width)
        self.conv2 = _conv(width, width, 3)
        self.bn2 = normalization(norm, width)
        self.downsample = _shortcut(inputs, width, stride, norm)

    @property
    def last(self) -> nn.Module:
        """The last normalisation of the residual branch."""
        return self.bn2

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        y += x if self.downsample is None else self.downsample(x)  # a normalisation keeps its input, not its output
        return F.relu(y, inplace=True)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut, the stride in the middle (ResNet-50)."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, norm: str) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = _conv(inputs, width, 1)
        self.bn1 = normalization(norm, width)
        self.conv2 = _conv(width, width, 3, stride)
        self.bn2 = normalization(norm, width)
        self.conv3 = _conv(width, outputs, 1)
        self.bn3 = normalization(norm, outputs)
        self.downsample = _shortcut(inputs, outputs, stride, norm)

    @property
    def last(self) -> nn.Module:
        """The last normalisation of the residual branch."""
        return self.bn3

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)  # a normalisation keeps its input, not its output
        return F.relu(y, inplace=True)


def _shortcut(inputs: int, outputs: int, stride: int, norm: str) -> nn.Module | None:
    """A 1x1 convolution where the shape changes; torchvision's rule, so stage 1 of ResNet-18 has none."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(_conv(inputs, outputs, 1, stride), normalization(norm, outputs))


class ResNet(nn.Module):
    """Images [B, C, S, S] to features [B, out_features]."""

    def __init__(
        self, block: type[Basic] | type[Bottleneck], stages: tuple[int, ...], channels: int, small: bool, norm: str
    ) -> None:
        super().__init__()
        self.conv1 = _conv(channels, _STEM_WIDTH, 3) if small else _conv(channels, _STEM_WIDTH, 7, 2)
        self.bn1 = normalization(norm, _STEM_WIDTH)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        inputs = _STEM_WIDTH
        widths = []
        for number, depth in enumerate(stages, start=1):
            width = _STEM_WIDTH * 2 ** (number - 1)
            blocks = []
            for k in range(depth):
                blocks.append(block(inputs, width, 2 if k == 0 and number > 1 else 1, norm))
                inputs = width * block.expansion
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            widths.append(inputs)
        self.map_channels = tuple(widths)
        self.out_features = inputs
        initialize(self, tuple(m.last for m in self.modules() if isinstance(m, Basic | Bottleneck)))

    def maps(self, x_BCHW: Tensor) -> Iterator[Tensor]:
        """The outputs of the four stages [B, C, H, W], one after the other."""
        x = self.maxpool(F.relu(self.bn1(self.conv1(x_BCHW)), inplace=True))
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
            yield x

    def forward(self, x_BCHW: Tensor) -> Tensor:
        for x in self.maps(x_BCHW):
            last = x
        return last.mean((2, 3))


def build(variant: str, spec: EncoderSpec) -> ResNet:
    """ResNet-`variant` for the images of `spec`."""
    block = Bottleneck if variant == "50" else Basic
    return ResNet(block, _STAGES[variant], spec.channels, spec.small_stem, spec.norm)
