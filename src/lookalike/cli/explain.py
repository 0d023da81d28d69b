"""`--explain`: each value that a training would have, with where it comes from; nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping

from lookalike.core import machine
from lookalike.core.options import AUTO, TrainOptions

_FLAG = "--explain"


def take_explain(words: list[str]) -> tuple[bool, list[str]]:
    """Whether `--explain` is among the words, and the words without it."""
    return _FLAG in words, [word for word in words if word != _FLAG]


def print_explanation(method: str, options: TrainOptions, sources: Mapping[str, str]) -> int:
    """Print what `train` would train with, from the same words. Returns the exit status.

    Raises:
        LookalikeError: as training would before its first step.
    """
    from lookalike import api
    from lookalike.engine.pacing import CLOCK

    machine.prepare(options.threads)
    config = api.decide(method, options, sources)
    print("\n".join(config.explained()))
    if config.options.augment == AUTO:
        print("--augment auto: short trainings choose the views, before the first step")
    if config.options.schedule == CLOCK:
        print(f"--schedule clock: as many epochs as --budget {config.options.budget} has time for")
    return 0
