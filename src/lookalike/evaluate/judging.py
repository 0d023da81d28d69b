"""The verdict on a network in training: one sentence from what was measured without labels, and a remedy.

docs/verdict.md says what each word means. The rules are those that studies/verdict.py found on one half of its runs
and judged on the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lookalike.core.words import counted
from lookalike.evaluate.comparison import chance
from lookalike.evaluate.health import Health
from lookalike.runs.looks import LookRecord
from lookalike.runs.values import number

COLLAPSED, FAILING, UNPROVEN, HEALTHY = "collapsed", "not learning", "unproven", "healthy"

_COLLAPSED_RANK = 2.0  # directions; fewer means that all images look the same to the network
_LEARNED_LOSS = 0.97  # share of the chance level below which a loss says that views are told apart
_AHEAD = 1.5  # times as often as pixels and untrained must a view find its own image to be called healthy
_NEARLY_ALL = 0.9  # share of views that the untrained network finds, from which training cannot show
# share of the nearest by pixels that the untrained network finds too, from which images lie so alike that pixels know
# much of what labels say
_ALIKE = 0.23
_FAR_AHEAD = 3.0  # times as often as pixels and untrained must a view find its own image there
_KEPT = 0.9  # of the nearest by pixels that the untrained network has, which a healthy one keeps there

_FEW = 256  # training images below which there is little to learn from
_DISTINCT = 0.5  # share of images that have no near copy, below which copies are the trouble
_TINY = 0.08  # area of the smallest crop, below which views show too little
_RISING = 1.2  # times as often as half-way, from which a run was not yet at its end
_WEAK = 0.3  # share of views that pixels or the untrained network find, from which views are weak
_MISSED = 0.2  # share of the views missed by those two that a healthy network may miss where views are weak


@dataclass(frozen=True)
class Evidence:
    """The measurements that a verdict is based on."""

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
    like_pixels: tuple[float, float] | None = None
    """Share of an image's 10 nearest by pixels that the network, and that it untrained, have among their 10 nearest, of
    up to 512 images."""
    learns_labels: bool = False
    """Whether labels are learned from: how views are told apart is not what such a training is for."""
    earlier: tuple[float, ...] = ()
    """How often a view found its own image at the looks before."""
    losses: tuple[float, ...] = ()
    """Of all epochs."""
    images: int | None = None
    """That are learned from."""
    distinct: float | None = None
    """Share of them that have no near copy, by pixels."""
    crop_min: float | None = None
    """Smallest area of a crop, where that was said."""

    @staticmethod
    def of_looks(
        looks: Mapping[str, LookRecord],
        earlier: Sequence[LookRecord] = (),
        epochs: Sequence[Mapping[str, object]] = (),
    ) -> Evidence:
        """Read from the records of metrics.jsonl.

        Args:
            looks: the last ones at `network`, `untrained` and `pixels`.
            earlier: those at the network before.
            epochs: the events of all epochs.
        """
        losses = [loss for event in epochs if (loss := number(event.get("loss"))) is not None]
        return Evidence(
            health_of(looks["network"]),
            health_of(looks["untrained"]),
            health_of(looks["pixels"]),
            loss=losses[-1] if losses else None,
            chance=number(epochs[-1].get("chance_loss")) if epochs else None,
            earlier=tuple(look.retrieval for look in earlier if look.retrieval is not None),
            losses=tuple(losses),
        )


def health_of(look: LookRecord) -> Health:
    """The health that a look measured; what was not measured is NaN."""
    figures = (look.retrieval, look.effective_rank, look.positive_cosine)
    retrieval, rank, cosine = (math.nan if figure is None else figure for figure in figures)
    return Health(retrieval, rank, cosine, look.images, look.dimensions)


def verdict(evidence: Evidence) -> str:
    """One sentence: a word (collapsed, not learning, unproven or healthy), why, and what to try where it is no good."""
    word, why = _judged(evidence)
    loss_words = ""
    if evidence.loss is not None and evidence.chance is not None:
        loss_words = f"; loss {evidence.loss:.2f} against {evidence.chance:.2f} at chance"
    sentence = f"{word}: {why}{_finds(evidence)}; {_rank(evidence.now)}{loss_words}."
    return sentence if word == HEALTHY else f"{sentence} {remedy(evidence, word)}"


def _judged(evidence: Evidence) -> tuple[str, str]:
    """The word of the verdict, and the reason in words."""
    now = evidence.now
    if _collapsed(now):
        return COLLAPSED, "nearly all images get the same features; "
    loss, chance_loss = evidence.loss, evidence.chance
    at_chance = loss is not None and chance_loss is not None and loss > _LEARNED_LOSS * chance_loss
    if at_chance and not evidence.targets_change:
        return FAILING, "the loss is that of guessing; "
    if evidence.learns_labels:
        return HEALTHY, ""
    before = evidence.untrained.retrieval
    if before < _NEARLY_ALL and now.retrieval - before <= chance(now.retrieval, before, now.images):
        # clusters may come to fit the images although views are not told apart, which is not what they are made for
        word = UNPROVEN if evidence.targets_change else FAILING
        return word, "views are told apart no better than before training; "
    usual = max(before, evidence.pixels.retrieval)
    if now.retrieval < _AHEAD * usual:
        return UNPROVEN, "views are told apart, but little better than by what needs no training; "
    if usual > _WEAK and 1 - now.retrieval > _MISSED * (1 - usual):
        return UNPROVEN, "views are so weak that what needs no training finds many of them; "
    if evidence.like_pixels is not None and evidence.like_pixels[1] >= _ALIKE:
        shared, alike = evidence.like_pixels
        if shared < _KEPT * alike:
            return UNPROVEN, "what pixels call alike is less alike than before training; "
        if now.retrieval < _FAR_AHEAD * usual:
            return UNPROVEN, "these images lie so alike that pixels know much of it already; "
    if evidence.distinct is not None and evidence.distinct < _DISTINCT:
        return UNPROVEN, "most images are copies; "
    return HEALTHY, ""


def remedy(evidence: Evidence, word: str) -> str:
    """What to try, for the likeliest cause."""
    if evidence.distinct is not None and evidence.distinct < _DISTINCT:
        return (
            f"Only {evidence.distinct:.0%} of the images have no near copy. Try leaving one of each: the page lists "
            "copies under what to clean."
        )
    if evidence.images is not None and evidence.images < _FEW:
        return f"{counted(evidence.images, 'image')} are few to learn from. Try the weights of others (--init)."
    if evidence.crop_min is not None and evidence.crop_min < _TINY:
        return f"The smallest crops show {evidence.crop_min:.0%} of an image. Try larger ones (--crop-min 0.2)."
    if word == COLLAPSED or _too_fast(evidence):
        return "Try a lower learning rate (--lr) and a longer warm-up (--warmup)."
    if _rising(evidence):
        return "It was still getting better. Try more epochs (--epochs) or a larger --budget."
    if word == FAILING:
        return "Try a higher learning rate (--lr), or weaker views (--augment simclr-light or crop-flip)."
    if evidence.pixels.retrieval > _WEAK:
        return (
            "Pixels find many views too, so these teach little. Try stronger views (--augment simclr-small, a lower "
            "--crop-min)."
        )
    return "Try more epochs (--epochs), or other views (--augment auto; lookalike views DATA shows them)."


def _too_fast(evidence: Evidence) -> bool:
    """Whether the loss began above chance, or ended above what it had been."""
    if len(evidence.losses) < 2:
        return False
    above = evidence.chance is not None and evidence.losses[0] > evidence.chance
    return above or evidence.losses[-1] > min(evidence.losses) + 0.02 * abs(evidence.losses[0])


def _rising(evidence: Evidence) -> bool:
    half = evidence.earlier[len(evidence.earlier) // 2] if evidence.earlier else None
    return half is None or evidence.now.retrieval > _RISING * half


def as_given(evidence: Evidence) -> str:
    """The verdict on a network that was not trained on these images: how good its weights are as they came."""
    if _collapsed(evidence.now):
        words = f"collapsed: these weights give nearly all images the same features ({_rank(evidence.now)})"
        return f"{words}; {_finds(evidence)}."
    return f"not trained: {_finds(evidence)}; {_rank(evidence.now)}."


def _finds(evidence: Evidence) -> str:
    now = evidence.now
    return (
        f"a new view finds its own image among {now.images:,} in {now.retrieval:.1%} of cases "
        f"(pixels {evidence.pixels.retrieval:.1%}, untrained {evidence.untrained.retrieval:.1%}, "
        f"chance {1 / max(1, now.images):.1%})"
    )


def _rank(now: Health) -> str:
    return f"effective rank {now.effective_rank:.1f} of {now.dimensions}"


def _collapsed(now: Health) -> bool:
    return not math.isfinite(now.effective_rank) or now.effective_rank < _COLLAPSED_RANK
