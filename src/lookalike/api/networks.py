"""The network of a run as it is before the first step: what training starts from and figures are compared with."""

from __future__ import annotations

from contextlib import suppress

from torch import nn

from lookalike.api.pretrained import PretrainedWeights
from lookalike.augment.normalize import channel_statistics
from lookalike.core.errors import LookalikeError
from lookalike.core.options import TrainOptions
from lookalike.data.base import Images
from lookalike.encoders.base import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    EncoderSpec,
    bridge,
    build_encoder,
    library_of,
    output_width,
)
from lookalike.engine.feature_extractor import FeatureExtractor, placed

_CALIBRATION = 2048  # images from which the untrained network takes its BatchNorm statistics
_COLOUR = 3
_STATISTICS = 2**28  # values of which mean and deviation are taken: 21,845 colour images of 64 pixels, first by content


def untrained_backbone(
    options: TrainOptions,
    images: Images,
    device: str,
    encoder: nn.Module | None = None,
    channels: int | None = None,
    normalize: str | None = None,
) -> FeatureExtractor:
    """The backbone of a run before its first step; a function of options and training images alone.

    `channels` is what the network takes, where that is not what the images have: grey ones enter a network for colour.
    `normalize` is said where it is not that of the options.
    """
    image_channels, side, _ = images.shape
    channels = taken_channels(options.encoder, image_channels) if channels is None else channels
    spec = EncoderSpec(options.encoder, channels, side, options.width, options.stem, options.norm)
    network = encoder if encoder is not None else build_encoder(spec, options.seed)
    if not hasattr(network, "out_features"):
        network.out_features = output_width(network, channels, side)  # type: ignore[assignment]  # an int, not a module
    network = network.double() if options.precision == "float64" else network
    seen = max(1, _STATISTICS // (image_channels * side * side))
    mean, std = channel_statistics(images.center_crops.take(images.training[:seen]))
    mean, std = (x_C.expand(channels) if image_channels == 1 else x_C for x_C in (mean, std))
    statistics = tuple(mean.tolist()), tuple(std.tolist())
    by_imagenet = (normalize or options.normalize) == "imagenet"
    if by_imagenet:
        if channels != _COLOUR:
            raise LookalikeError(f"--normalize imagenet is for images of 3 channels, these have {channels}; take data")
        statistics = IMAGENET_MEAN, IMAGENET_STD
    network = placed(network, device)
    normalized_by = "imagenet" if by_imagenet else "data"
    return FeatureExtractor(network, spec, *statistics, options.precision, device, normalized_by)


def build_pretrained(
    pretrained: PretrainedWeights, options: TrainOptions, images: Images, device: str, encoder: nn.Module | None = None
) -> FeatureExtractor:
    """The backbone of a run that starts from weights of others; `options.normalize` is resolved.

    Grey images enter weights for colour, the grey in each of three channels.

    Raises:
        LookalikeError: the weights do not fit.
    """
    choices = _channel_choices(pretrained, images, encoder)
    for channels in choices[:-1]:
        with suppress(LookalikeError):
            return _with_weights(pretrained, options, images, device, encoder, channels)
    return _with_weights(pretrained, options, images, device, encoder, choices[-1])


def channels_taken(
    pretrained: PretrainedWeights, options: TrainOptions, images: Images, encoder: nn.Module | None = None
) -> int:
    """With how many channels images enter a network that starts from weights of others.

    Raises:
        LookalikeError: it has to be tried, and the weights do not fit.
    """
    choices = _channel_choices(pretrained, images, encoder)
    return (
        choices[0] if len(choices) == 1 else build_pretrained(pretrained, options, images, "cpu", encoder).spec.channels
    )


def _channel_choices(pretrained: PretrainedWeights, images: Images, encoder: nn.Module | None) -> tuple[int, ...]:
    image_channels = images.shape[0]
    if image_channels == 1 and pretrained.file is None:  # libraries have weights for colour
        return (_COLOUR,)
    if image_channels == 1 and pretrained.channels is not None:
        return (_COLOUR,) if pretrained.channels == _COLOUR else (1,)
    if image_channels == 1 and encoder is None:  # a file of others does not say
        return (1, _COLOUR)
    return (image_channels,)


def _with_weights(
    pretrained: PretrainedWeights,
    options: TrainOptions,
    images: Images,
    device: str,
    encoder: nn.Module | None,
    channels: int,
) -> FeatureExtractor:
    backbone = untrained_backbone(options, images, device, encoder, channels)
    pretrained.load_into(backbone, pretrained.normalization(options, channels))
    return backbone


def taken_channels(encoder: str, image_channels: int) -> int:
    """With how many channels images of `image_channels` enter a network by that name."""
    library = library_of(encoder)
    return image_channels if library is None else bridge(library[0]).channels(image_channels)


def with_recomputed_bn_stats(backbone: FeatureExtractor, images: Images) -> FeatureExtractor:
    """An untrained backbone with the BatchNorm statistics of training images."""
    return backbone.with_recomputed_bn_stats(images.center_crops[images.training[:_CALIBRATION]])
