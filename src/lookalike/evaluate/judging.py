"""The verdict on a network in training: a sentence from what was measured without labels, and one from labels.

docs/verdict.md says what each means. The rules are those that studies/verdict.py found on one half of its runs and
judged on the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lookalike.evaluate.comparison import BASELINES, chance
from lookalike.evaluate.health import Health

_COLLAPSED_RANK = 2.0  # directions; fewer means that all images look the same to the network
_LEARNED_LOSS = 0.97  # share of the chance level below which a loss says that views are told apart


@dataclass(frozen=True)
class Evidence:
    """What a verdict goes by."""

    now: Health
    """Of the network as it is."""
    untrained: Health
    """Of the same network before training."""
    pixels: Health
    loss: float | None = None
    """Mean of the last epoch, if any."""
    chance: float | None = None
    """The loss of telling nothing apart, if known."""
    targets_change: bool = False
    """Whether what is predicted is made anew while training, as clusters are: a loss near chance says nothing then."""


def verdict(found: Evidence) -> str:
    """One sentence: healthy, collapsed or not learning, and why."""
    finds, rank = _finds(found), _rank(found.now)
    if _collapsed(found.now):
        return (
            f"collapsed: nearly all images get the same features ({rank}); {finds}. "
            "Try a lower learning rate, a longer warm-up or a higher temperature."
        )
    level, at_chance = "", False
    if found.loss is not None and found.chance is not None:
        level = f"loss {found.loss:.2f} against {found.chance:.2f} at chance"
        at_chance = not found.targets_change and found.loss > _LEARNED_LOSS * found.chance
    if at_chance or found.now.retrieval <= min(found.untrained.retrieval, 2 / max(1, found.now.images)):
        return (
            f"not learning: {level or 'views are not told apart'}; {finds}; {rank}. "
            "Try a higher learning rate, weaker augmentation (--crop-min) or more epochs."
        )
    return f"healthy: {finds}; {rank}" + (f"; {level}" if level else "") + "."


def as_given(found: Evidence) -> str:
    """The same of a network that these images have not trained: what its weights are worth as they came."""
    finds, rank = _finds(found), _rank(found.now)
    if _collapsed(found.now):
        return f"collapsed: these weights give nearly all images the same features ({rank}); {finds}."
    return f"not trained: {finds}; {rank}."


def by_labels(knn: float | None, baselines: Mapping[str, float], images: int) -> str:
    """Where labels are known, what they say of the network beside what needs no training; else nothing.

    Args:
        knn: accuracy in [0, 1] of the network's features.
        baselines: that of others, by the keys of `comparison.BASELINES`.
        images: those that were asked.
    """
    known = {name: value for name, value in baselines.items() if name in BASELINES}
    if knn is None or not known or not images:
        return ""
    ahead = {name: value for name, value in known.items() if value > knn and value - knn > chance(value, knn, images)}
    level = {name: value for name, value in known.items() if abs(value - knn) <= chance(value, knn, images)}
    if ahead:
        return f"By the labels, kNN {knn:.1%} is below that of {_listed(ahead)}: these would serve better."
    if level:
        return f"By the labels, kNN {knn:.1%} is no better than that of {_listed(level)}, as far as can be told."
    return f"By the labels, kNN {knn:.1%} is better than that of {_listed(known)}."


def _listed(known: Mapping[str, float]) -> str:
    named = [f"{BASELINES[name]} ({value:.1%})" for name, value in known.items()]
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def _finds(found: Evidence) -> str:
    now = found.now
    return (
        f"a new view finds its own image among {now.images:,} in {now.retrieval:.1%} of cases "
        f"(pixels {found.pixels.retrieval:.1%}, untrained {found.untrained.retrieval:.1%}, "
        f"chance {1 / max(1, now.images):.1%})"
    )


def _rank(now: Health) -> str:
    return f"effective rank {now.effective_rank:.1f} of {now.dimensions}"


def _collapsed(now: Health) -> bool:
    return not math.isfinite(now.effective_rank) or now.effective_rank < _COLLAPSED_RANK
