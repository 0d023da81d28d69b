"""Networks of timm as encoders: `--encoder timm:NAME`, pooled features without a classifier.

They take any number of channels, have the parameter names of timm, and need timm only where they are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from torch import Tensor, nn

from lookalike.core.errors import LookalikeError, did_you_mean
from lookalike.core.optional import need_vision
from lookalike.core.words import counted
from lookalike.encoders.base import EncoderSpec, Trained

VARIANTS = ()


def build(model: str, spec: EncoderSpec) -> nn.Module:
    """A network of timm without weights.

    Raises:
        LookalikeError: timm is not there, has no such network, or cannot make it for such images.
    """
    return _create(model, spec, pretrained=False)


def trained(model: str) -> Trained | None:
    """How timm's weights of a network were trained; None where it has none."""
    config = _timm(model).models.get_pretrained_cfg(model)
    return None if config is None else Trained(int(config.input_size[-1]), tuple(config.mean), tuple(config.std))


def pretrained(model: str, spec: EncoderSpec) -> Mapping[str, Tensor]:
    """The weights that timm has for a network; it fetches them where it has not done so before."""
    return _create(model, spec, pretrained=True).state_dict()


def channels(image_channels: int) -> int:
    """The number of channels that the network takes for images with `image_channels`."""
    return image_channels


def _create(model: str, spec: EncoderSpec, pretrained: bool) -> nn.Module:
    timm = _timm(model)
    arguments: dict[str, object] = {"num_classes": 0, "in_chans": spec.channels}
    config = timm.models.get_pretrained_cfg(model, allow_unregistered=True)
    if config is not None and config.fixed_input_size:  # a transformer learns a vector for each place of an image
        arguments["img_size"] = spec.image_size
    try:
        return timm.create_model(model, pretrained=pretrained, **arguments)
    except (TypeError, ValueError, AssertionError, NotImplementedError) as error:
        raise LookalikeError(
            f"timm cannot make {model} for images of {spec.image_size} pixels with "
            f"{counted(spec.channels, 'channel')}: {error}"
        ) from error


def _timm(model: str) -> ModuleType:
    timm = need_vision("timm", f"--encoder timm:{model}")
    if not timm.is_model(model):
        raise LookalikeError(f"timm has no network {model!r}: {did_you_mean(model.split('.')[0], timm.list_models())}")
    return timm
