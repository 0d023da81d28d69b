"""Encoders by name, the choice of stem, and weights from files.

`Encoder` says what an encoder is. A module of this package offers `VARIANTS` (what may follow its name: `resnet` has
"18", "34", "50") and `build(variant, ...)`.

The networks of other libraries are called `LIBRARY:NAME`. A module `LIBRARY_bridge` builds them, and says how the
weights that come with them were trained.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from lookalike.core import registry, rng
from lookalike.core.errors import LookalikeError, did_you_mean
from lookalike.core.words import counted

LIBRARIES = ("timm", "torchvision")
"""Libraries whose networks `--encoder LIBRARY:NAME` takes."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of values in [0, 1]; nearly all weights of others were trained on images that were normalised by these."""

SMALL_SIDE = 64  # pixels; up to this side a stem without pooling keeps the resolution


@runtime_checkable
class Encoder(Protocol):
    """An `nn.Module` from images [B, C, S, S] to features [B, D] that knows its D.

    A network without `out_features` is asked for its width once and given the attribute (`output_width`).
    """

    out_features: int

    def __call__(self, x_BCHW: Tensor, /) -> Tensor:
        """Features, floating [B, D]."""
        ...


@runtime_checkable
class StagedEncoder(Encoder, Protocol):
    """An encoder of stages, whose outputs are maps (`feature_maps.py`)."""

    map_channels: tuple[int, ...]
    """Channels of the maps."""

    def maps(self, x_BCHW: Tensor) -> Iterator[Tensor]:
        """The outputs of the stages [B, C, H, W], one after the other."""
        ...


def width_of(encoder: nn.Module) -> int:
    """D of an encoder."""
    width = getattr(encoder, "out_features", None)  # which a wrapper, as of torch.compile, may find in what it wraps
    assert isinstance(width, int), f"{type(encoder).__name__} does not know its width"
    return width


@dataclass(frozen=True)
class EncoderSpec:
    """All that decides an encoder's architecture."""

    name: str
    channels: int
    image_size: int
    width: int = 32
    stem: str = "auto"
    norm: str = "batch"

    @property
    def small_stem(self) -> bool:
        """Whether the stem is the one for small images."""
        return self.stem == "small" or (self.stem == "auto" and self.image_size <= SMALL_SIDE)


@dataclass(frozen=True)
class Trained:
    """What a library says of the weights that it has for a network."""

    image_size: int
    """Side of the images that they were trained on, pixels."""
    mean: tuple[float, ...]
    """By which those were normalised, per channel, of values in [0, 1]."""
    std: tuple[float, ...]


def encoder_names() -> list[str]:
    """Every name that `--encoder` takes, apart from the networks of other libraries."""
    names = []
    for module in registry.names("encoders"):
        variants = registry.find("encoders", module, "encoder").VARIANTS
        names += [module + variant for variant in variants]
    return names


def build_encoder(spec: EncoderSpec, seed: int) -> nn.Module:
    """An untrained encoder; its weights depend on the seed and on nothing else.

    Raises:
        LookalikeError: the name is unknown; the nearest is offered. Or it is of a library that is not there, or takes
            no such images.
    """
    problem = name_problem(spec.name)
    if problem:
        raise LookalikeError(problem)
    named = library_of(spec.name)
    if named is not None:
        if spec.norm != "batch":
            raise LookalikeError(f"{spec.name} has normalisation of its own: leave --norm {spec.norm} out")
        with seeded(seed, "encoder"):
            network = bridge(named[0]).build(named[1], spec)
        network.out_features = output_width(network, spec.channels, spec.image_size)
        return network
    module, variant = re.fullmatch(r"(.*?)(\d*)", spec.name).groups()  # type: ignore[union-attr]  # it always matches
    with seeded(seed, "encoder"):
        return registry.find("encoders", module, "encoder").build(variant, spec)


def name_problem(name: str) -> str | None:
    """What is wrong with the name of an encoder, in words. That a library has no such network is found out later."""
    if library_of(name) is not None or name in encoder_names():
        return None
    if ":" in name:
        return f"unknown encoder {name!r}: of libraries, {' and '.join(f'{one}:NAME' for one in LIBRARIES)} are known"
    return f"unknown encoder {name!r}: {did_you_mean(name, encoder_names())}"


def library_of(name: str) -> tuple[str, str] | None:
    """The library and its network that `LIBRARY:NAME` names; None for an encoder of this house."""
    library, colon, network = name.partition(":")
    return (library, network) if colon and library in LIBRARIES else None


def bridge(library: str) -> ModuleType:
    """The module that builds a library's networks; imports nothing of the library yet."""
    return registry.find("encoders", f"{library}-bridge", "encoder")


def output_width(network: nn.Module, channels: int, side: int) -> int:
    """D of a network from images [B, channels, side, side] to features [B, D], found by asking it.

    Raises:
        LookalikeError: it gives something else, or does not take such images.
    """
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            h = network(torch.zeros(1, channels, side, side))
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise LookalikeError(
            f"{type(network).__name__} takes no images of {side} x {side} pixels with "
            f"{counted(channels, 'channel')}: {reason}"
        ) from error
    finally:
        network.train(was_training)
    if not isinstance(h, Tensor) or h.ndim != 2:
        raise LookalikeError(f"an encoder must give features [B, D]; {type(network).__name__} does not")
    return h.shape[1]


@contextmanager
def seeded(seed: int, purpose: str) -> Iterator[None]:
    """Make torch's own initialisers a function of (seed, purpose), leaving the global generator alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(rng.derive(seed, purpose))  # torch.manual_seed would reseed GPUs too
        yield
