"""AlexNet with BatchNorm behind fixed Sobel filters: DeepCluster's network (Caron et al. 2018, section 3.3).

Colour is taken away, as it is an easy answer: the filters see edges only. The large network is that of the
paper, for 224 px. For small images the same idea is scaled down: narrower, a 5x5 first convolution, and
the last map is reduced to 2 x 2 instead of 6 x 6.

The features are the output of the last linear layer before its ReLU, which is what DeepCluster clusters;
`ends_before_relu` tells methods to apply it in front of their head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lookalike.core import rng
from lookalike.core.arithmetic import outside_autocast
from lookalike.core.errors import LookalikeError
from lookalike.encoders.base import EncoderSpec
from lookalike.encoders.layers import initialize, normalization

VARIANTS = ("",)
_LARGE_SIDE = 63  # pixels; below this nothing is left for the last pooling of the large network


class Sobel(nn.Module):
    """Grey images' horizontal and vertical differences: [B, C, H, W] to [B, 2, H, W]; never trained.

    The border is padded with zeros, as in the paper's code.
    """

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        across = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
        self.register_buffer("kernel", torch.stack([across, across.T])[:, None])

    @outside_autocast  # a filter of images: neighbours differ by little, which bfloat16 would round away
    def forward(self, x_BCHW: Tensor) -> Tensor:
        return F.conv2d(x_BCHW.mean(1, keepdim=True), self.kernel, padding=1)


class Dropout(nn.Module):
    """Dropout of features [B, D] whose masks are a function of how often it was called in training.

    torch's own draws from the global generator, whose state is not part of a checkpoint: a resumed run
    would go on with other masks. The counter here is saved with the weights.
    """

    calls: Tensor
    stream = 0
    """The number of the process: those that share a batch drop other units each."""

    def __init__(self, p: float, name: str) -> None:
        super().__init__()
        self.p, self.purpose = p, f"dropout.{name}"
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, x_BD: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x_BD
        # The counter stays a tensor, as reading it would make the host wait for a GPU. An encoder knows
        # no seed of the run, so equal steps of all runs drop the same units; their weights differ.
        index = (self.calls << 32) + torch.arange(x_BD.numel(), device=x_BD.device)
        self.calls += 1
        keep_BD = rng.uniform(self.stream, self.purpose, 0, index).view(x_BD.shape) >= self.p
        return x_BD * keep_BD.to(x_BD.dtype) / (1 - self.p)


class AlexNet(nn.Module):
    """Images [B, C, S, S] to features [B, out_features]: 4096, or 16 * width for the small network.

    Args:
        width: channels of the small network's first convolution; the large one has a fixed width.
        small: the network for images of 16 to 64 px and not the one of the paper.
        norm: "batch", or "group".
        dropout: share of units that are dropped before each linear layer while training.
    """

    ends_before_relu = True

    def __init__(self, width: int, small: bool, norm: str, dropout: float = 0.5) -> None:
        super().__init__()
        widths = (width, 3 * width, 6 * width, 4 * width, 4 * width) if small else (96, 256, 384, 384, 256)
        self.grid = 2 if small else 6
        self.out_features = 16 * width if small else 4096
        self.sobel = Sobel()
        first = nn.Conv2d(2, widths[0], 5, 2, 2) if small else nn.Conv2d(2, widths[0], 11, 4, 2)
        self.conv1, self.bn1 = first, normalization(norm, widths[0])
        self.conv2, self.bn2 = nn.Conv2d(widths[0], widths[1], 5, 1, 2), normalization(norm, widths[1])
        self.conv3, self.bn3 = nn.Conv2d(widths[1], widths[2], 3, 1, 1), normalization(norm, widths[2])
        self.conv4, self.bn4 = nn.Conv2d(widths[2], widths[3], 3, 1, 1), normalization(norm, widths[3])
        self.conv5, self.bn5 = nn.Conv2d(widths[3], widths[4], 3, 1, 1), normalization(norm, widths[4])
        self.maxpool = nn.MaxPool2d(3, 2, 1 if small else 0)
        # "fc6" and not "classifier": weights of that name are left out when files are loaded
        self.dropout6 = Dropout(dropout, "fc6")
        self.fc6 = nn.Linear(widths[4] * self.grid**2, self.out_features)
        self.dropout7 = Dropout(dropout, "fc7")
        self.fc7 = nn.Linear(self.out_features, self.out_features)
        initialize(self, ())
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5):
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # not None
        for linear in (self.fc6, self.fc7):
            # 0.01 is nearly 1 / sqrt(9216); with fewer inputs it would shrink the signal to a fifth and less
            nn.init.normal_(linear.weight, std=linear.in_features**-0.5 if small else 0.01)
            nn.init.zeros_(linear.bias)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x = self.sobel(x_BCHW)
        x = self.maxpool(F.relu(self.bn1(self.conv1(x)), inplace=True))
        x = self.maxpool(F.relu(self.bn2(self.conv2(x)), inplace=True))
        x = F.relu(self.bn3(self.conv3(x)), inplace=True)
        x = F.relu(self.bn4(self.conv4(x)), inplace=True)
        x = F.relu(self.bn5(self.conv5(x)), inplace=True)
        if self.grid == 6:
            x = self.maxpool(x)
        whole = x.shape[2] == x.shape[3] == self.grid
        x = (x if whole else F.adaptive_max_pool2d(x, self.grid)).flatten(1)
        x = F.relu(self.fc6(self.dropout6(x)), inplace=True)
        return self.fc7(self.dropout7(x))


def build(variant: str, spec: EncoderSpec) -> AlexNet:
    """An AlexNet for the images of `spec`, of any number of channels.

    Raises:
        LookalikeError: the large network is wanted for images that it leaves nothing of.
    """
    if not spec.small_stem and spec.image_size < _LARGE_SIDE:
        raise LookalikeError(
            f"alexnet with --stem large needs images of {_LARGE_SIDE} px at least, these have {spec.image_size}; "
            "take --stem small"
        )
    return AlexNet(spec.width, spec.small_stem, spec.norm)
