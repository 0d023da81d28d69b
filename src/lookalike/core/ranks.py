"""The earlier name of `lookalike.core.comm`."""

from __future__ import annotations

from lookalike.core.comm import BLOCK, SINGLE, Comm, blocks

Ranks, ALONE = Comm, SINGLE

__all__ = ["ALONE", "BLOCK", "Ranks", "blocks"]
