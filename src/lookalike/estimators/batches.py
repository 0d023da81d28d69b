"""The batch of an estimator, which is also fitted to a handful of images."""

from __future__ import annotations

import warnings

from lookalike.core.words import agreeing, counted
from lookalike.engine.presets import FEWEST


def batch_size(asked: int | None, n: int) -> int | None:
    """Images of a step; None leaves it to the preset and the size of the collection.

    `asked` is the most: a cross-validation fits the same parameters to parts of different size, and what fills no
    batch is one batch. Where nothing was asked, fewer images than the command line would train on are taken all the
    same, in batches of 16, and a warning says what that is worth.

    Args:
        asked: what the parameter says.
        n: images to train on, at least 2.
    """
    if asked is not None:
        return min(asked, n)
    if n >= 2 * FEWEST:
        return None
    warnings.warn(
        f"{counted(n, 'image')} {agreeing(n, 'is', 'are')} few to learn from: a network is told apart images it "
        f"hardly has; give {2 * FEWEST} or more, "
        "or name batch_size to say that this is meant",
        UserWarning,
        stacklevel=5,
    )
    return min(FEWEST, n)
