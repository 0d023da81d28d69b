"""The projection head: linear-ReLU-linear (SimCLR paper, section 2; here in section 2.1, item 3).

It is used in training only; the features of an image are the encoder's. BatchNorm between the layers
is an option, on by default as in the released code; the output has none.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from lookalike.encoders.base import seeded


def projection_head(
    in_features: int, *, depth: int, width: int | None, out_features: int, norm: bool, seed: int
) -> nn.Sequential:
    """A perceptron [B, in_features] -> [B, out_features].

    Args:
        in_features: width of the encoder's output.
        depth: linear layers; 1 is a linear map, 2 the paper's head.
        width: of the hidden layers; None takes `in_features`.
        out_features: size of the projection.
        norm: BatchNorm after each hidden linear layer, which then needs no bias.
        seed: its weights depend on it alone.
    """
    layers: list[nn.Module] = []
    inputs = in_features
    with seeded(seed, "head"):
        for _ in range(depth - 1):
            hidden = width or in_features
            layers.append(nn.Linear(inputs, hidden, bias=not norm))
            if norm:
                layers.append(nn.BatchNorm1d(hidden))
            layers.append(nn.ReLU(inplace=True))
            inputs = hidden
        layers.append(nn.Linear(inputs, out_features))
    return nn.Sequential(*layers)


def rectified(encoder: nn.Module, x_RCHW: Tensor) -> Tensor:
    """Features [R, D] as a head wants them: an encoder that `ends_before_relu` is given its last ReLU."""
    h_RD = encoder(x_RCHW)
    return F.relu(h_RD) if getattr(encoder, "ends_before_relu", False) else h_RD
