"""The phase of a training that makes its network and its method, as they are before the first step."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

from torch import nn

from lookalike.api.load import Loaded
from lookalike.api.networks import build_pretrained, untrained_backbone, with_recomputed_bn_stats
from lookalike.core.comm import Comm
from lookalike.core.config import Config
from lookalike.core.options import TrainOptions
from lookalike.engine.feature_extractor import FeatureExtractor, placed
from lookalike.methods.base import Method
from lookalike.methods.checks import checked_method
from lookalike.methods.find import find_method


@dataclass(frozen=True)
class Built:
    """A network and a method around it, on their device."""

    backbone: FeatureExtractor
    untrained: FeatureExtractor
    """What figures are compared with: the same network before any training; the backbone itself where it starts so."""
    method: Method


def build(
    config: Config[TrainOptions],
    loaded: Loaded,
    device: str,
    comm: Comm,
    encoder: nn.Module | None = None,
) -> Built:
    """Make what is trained, from a whole configuration.

    Args:
        config: of the run.
        loaded: the images, and the weights to start from.
        device: where to compute.
        comm: the processes that train together.
        encoder: an untrained network given from Python.

    Raises:
        LookalikeError: weights to start from that do not fit.
    """
    options, images, pretrained = config.options, loaded.images, loaded.pretrained
    if pretrained is None:
        backbone = untrained = untrained_backbone(options, images, device, encoder)
        backbone = backbone if options.epochs else with_recomputed_bn_stats(backbone, images)
    else:
        backbone = build_pretrained(pretrained, options, images, device, copy.deepcopy(encoder))
        # ImageNet's statistics are for an untrained network only where they were asked for
        asked, channels = loaded.asked.options.normalize, backbone.spec.channels
        untrained = untrained_backbone(options, images, device, encoder, channels, asked)
    return Built(backbone, untrained, build_method(config, loaded, backbone, comm))


def rebuild(built: Built, config: Config[TrainOptions], loaded: Loaded) -> Built:
    """The same network with its method made anew, for a configuration in which more is decided."""
    return replace(built, method=build_method(config, loaded, built.backbone, built.method.comm))


def build_method(config: Config[TrainOptions], loaded: Loaded, backbone: FeatureExtractor, comm: Comm) -> Method:
    """The method around a network, on its device."""
    kind, classes = find_method(config.method), len(loaded.images.classes)
    method = checked_method(kind(backbone.encoder, config.options, len(loaded.rows), classes, comm))
    return placed(method.double() if config.options.precision == "float64" else method, backbone.device)
