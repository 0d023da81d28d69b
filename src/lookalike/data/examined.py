"""What decoding tells of an image, beside its pixels."""

from __future__ import annotations

from dataclasses import dataclass

from lookalike.data.decode import Header


@dataclass(frozen=True)
class Examined:
    """What decoding told of one image."""

    name: str
    header: Header | None
    """None where not even the header can be read."""
    reason: str | None
    """Why there are no pixels; None where there are."""
    digest: bytes | None
    """16 bytes of BLAKE2b over decoded pixels and their shape."""
    spread: float
    """Standard deviation of the decoded values, grey levels."""
