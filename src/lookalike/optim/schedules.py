"""Learning rates: scaling with the batch, warm-up and cosine decay, all per step.

SimCLR paper, section 2.2 and appendix B.1; the counts are those of the released code.
"""

from __future__ import annotations

import math


def scaled_lr(base: float, batch_size: int, scaling: str) -> float:
    """The peak rate: base * B / 256 (linear), base * sqrt(B) (sqrt) or base (none)."""
    if scaling == "linear":
        return base * batch_size / 256
    if scaling == "sqrt":
        return base * math.sqrt(batch_size)
    if scaling == "none":
        return base
    raise ValueError(f"scaling must be linear, sqrt or none, got {scaling!r}")


def warmup_steps(n: int, batch_size: int, epochs: float) -> int:
    """Steps of a warm-up that lasts `epochs` passes over n images."""
    return round(epochs * n // batch_size)


def warmup_cosine(step: int, peak: float, warmup: int, total: int) -> float:
    """The rate of step 0, 1, ...: linear from 0 to `peak` at step `warmup`, then a cosine to 0 at `total`."""
    if step < warmup:
        return peak * step / warmup
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    return peak * 0.5 * (1 + math.cos(math.pi * progress))


def cosine(progress: float, peak: float, warm: float) -> float:
    """The same by progress in [0, 1]: linear from 0 to `peak` at `warm`, then a cosine to 0 at 1."""
    if progress < warm:
        return peak * progress / warm
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warm) / max(1e-12, 1 - warm))))
