"""Networks of torchvision as encoders: `--encoder torchvision:NAME`, features as their classifier sees them.

They take three channels; grey images enter with the grey in each. They have the parameter names of torchvision and
need it only where they are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from torch import Tensor, nn

from lookalike.core.errors import LookalikeError, did_you_mean
from lookalike.core.optional import need_vision
from lookalike.encoders.base import EncoderSpec, Trained

VARIANTS = ()
_CHANNELS = 3
_SIDE_OUTPUTS = ("googlenet", "inception_v3")  # several outputs while training, which no head here takes


def build(model: str, spec: EncoderSpec) -> nn.Module:
    """A network of torchvision without weights and classifier.

    Raises:
        LookalikeError: torchvision is not there, has no such network, or one that is no encoder; other channels.
    """
    models = _models(model)
    if spec.channels != _CHANNELS:
        raise LookalikeError(
            f"torchvision's networks take images of 3 channels, these have {spec.channels}; "
            "timm's take any number (--encoder timm:NAME)"
        )
    if model in _SIDE_OUTPUTS:
        raise LookalikeError(f"torchvision:{model} has side outputs and gives no plain features; timm:{model} does")
    arguments = (
        {"image_size": spec.image_size} if model.startswith("vit_") else {}
    )  # a vector for each place of an image
    try:
        network = models.get_model(model, weights=None, **arguments)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise LookalikeError(f"torchvision cannot make {model} for {spec.image_size} pixels: {error}") from error
    _without_classifier(network, model)
    return network


def trained(model: str) -> Trained | None:
    """How torchvision's weights of a network were trained; None where it has none."""
    transforms = _models(model).get_model_weights(model).DEFAULT.transforms()
    return Trained(int(transforms.crop_size[0]), tuple(transforms.mean), tuple(transforms.std))


def pretrained(model: str, spec: EncoderSpec) -> Mapping[str, Tensor]:
    """The weights that torchvision has for a network; it fetches them where it has not done so before."""
    return _models(model).get_model_weights(model).DEFAULT.get_state_dict(progress=False, check_hash=True)


def channels(image_channels: int) -> int:
    """The number of channels that the network takes for images with `image_channels`."""
    return _CHANNELS if image_channels == 1 else image_channels


def _without_classifier(network: nn.Module, model: str) -> None:
    """Put nothing in the place of the last linear layer, wherever a network has it."""
    for name in ("fc", "classifier", "heads", "head"):
        last = getattr(network, name, None)
        if isinstance(last, nn.Linear):
            setattr(network, name, nn.Identity())
            return
        if isinstance(last, nn.Sequential) and isinstance(last[-1], nn.Linear):
            last[-1] = nn.Identity()
            return
    raise LookalikeError(f"torchvision:{model} does not end in a linear classifier of features; choose another network")


def _models(model: str) -> ModuleType:
    models = need_vision("torchvision.models", f"torchvision's {model}")
    names = models.list_models(module=models)
    if model not in names:
        raise LookalikeError(f"torchvision has no network {model!r}: {did_you_mean(model, names)}")
    return models
