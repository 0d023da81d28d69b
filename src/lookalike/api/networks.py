"""The network of a run as it is before the first step: what training starts from and figures are compared with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lookalike.augment.normalize import channel_statistics
from lookalike.core.errors import LookalikeError
from lookalike.core.options import TrainOptions
from lookalike.data.base import Images
from lookalike.encoders.base import EncoderSpec, build_encoder
from lookalike.engine.backbone import Backbone, placed

_CALIBRATION = 2048  # images from which the untrained network takes its BatchNorm statistics
_STATISTICS = 2**28  # values of which mean and deviation are taken: 21,845 colour images of 64 pixels, first by content


def untrained_backbone(
    options: TrainOptions, images: Images, device: str, encoder: nn.Module | None = None
) -> Backbone:
    """The backbone of a run before its first step; a function of options and training images alone."""
    channels, side, _ = images.shape
    spec = EncoderSpec(options.encoder, channels, side, options.width, options.stem, options.norm)
    network = encoder if encoder is not None else build_encoder(spec, options.seed)
    if not hasattr(network, "out_features"):
        network.out_features = _output_width(network, channels, side)  # type: ignore[assignment]  # an int, not a module
    network = network.double() if options.precision == "float64" else network
    seen = max(1, _STATISTICS // (channels * side * side))
    mean, std = channel_statistics(images.squares.take(images.training[:seen]))
    network = placed(network, device)
    return Backbone(network, spec, tuple(mean.tolist()), tuple(std.tolist()), options.precision, device)


def calibrated(backbone: Backbone, images: Images) -> Backbone:
    """An untrained backbone with the BatchNorm statistics of training images."""
    return backbone.calibrated(images.squares[images.training[:_CALIBRATION]])


def _output_width(network: nn.Module, channels: int, side: int) -> int:
    was_training = network.training
    network.eval()
    with torch.no_grad():
        h = network(torch.zeros(1, channels, side, side))
    network.train(was_training)
    if not isinstance(h, Tensor) or h.ndim != 2:
        raise LookalikeError(f"an encoder must give features [B, D]; {type(network).__name__} does not")
    return h.shape[1]
