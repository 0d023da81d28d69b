"""Encoders by name, the choice of stem, and weights from files.

An encoder is an `nn.Module` from images [B, C, S, S] to features [B, D] with an attribute
`out_features` = D. A module of this room offers `VARIANTS` (what may follow its name: `resnet` has
"18", "34", "50") and `build(variant, ...)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from lookalike.core import registry, rng
from lookalike.core.errors import LookalikeError, did_you_mean

SMALL_SIDE = 64  # pixels; up to this side a stem without pooling keeps the resolution


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


def encoder_names() -> list[str]:
    """Every name that `--encoder` takes."""
    found = []
    for module in registry.names("encoders"):
        variants = registry.find("encoders", module, "encoder").VARIANTS
        found += [module + variant for variant in variants]
    return found


def build_encoder(spec: EncoderSpec, seed: int) -> nn.Module:
    """An untrained encoder; its weights depend on the seed and on nothing else.

    Raises:
        LookalikeError: the name is unknown; the nearest is offered.
    """
    if spec.name not in encoder_names():
        raise LookalikeError(f"unknown encoder {spec.name!r}: {did_you_mean(spec.name, encoder_names())}")
    module, variant = re.fullmatch(r"(.*?)(\d*)", spec.name).groups()  # type: ignore[union-attr]  # it always matches
    with seeded(seed, "encoder"):
        return registry.find("encoders", module, "encoder").build(variant, spec)


@contextmanager
def seeded(seed: int, purpose: str) -> Iterator[None]:
    """Make torch's own initialisers a function of (seed, purpose), leaving the global generator alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(rng.derive(seed, purpose))  # torch.manual_seed would reseed GPUs too
        yield
