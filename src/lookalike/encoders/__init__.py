"""Networks from images to features, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lookalike.core.lazy_import import lazy_import

if TYPE_CHECKING:
    from lookalike.encoders.base import Encoder, EncoderSpec, StagedEncoder, build_encoder, encoder_names

OFFERS = "VARIANTS"
"""What a module defines that is an encoder, or a bridge to those of a library (`core/registry.py`)."""

__all__ = ["Encoder", "EncoderSpec", "StagedEncoder", "build_encoder", "encoder_names"]

# imported when they are asked for: --help names the encoders without torch
_LAZY = dict.fromkeys(__all__, "base")
__getattr__, __dir__ = lazy_import(__name__, _LAZY, globals())
