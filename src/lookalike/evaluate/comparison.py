"""Whether two accuracies on the same test images differ by more than chance. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping

from lookalike.core.words import counted
from lookalike.runs.evaluation import Evaluation, Scores
from lookalike.runs.looks import NETWORK, LookRecord

_NAMES = {"linear": "linear", "knn": "kNN"}
_ERRORS = 2.0  # standard errors; a difference beyond them comes by chance in one case of twenty


def chance(a: float, b: float, images: int) -> float:
    """How far two accuracies may differ by chance: two standard errors of their difference.

    Each is taken as the mean of so many independent tests, one success and one failure added (Agresti and Caffo 2000),
    so that nothing is certain at 100 %. That both were measured on the same images makes the true error smaller, and
    what is called more than chance here is so.

    Args:
        a, b: accuracies in [0, 1].
        images: test images of each.
    """
    shares = ((x * images + 1) / (images + 2) for x in (a, b))
    return _ERRORS * math.sqrt(sum(p * (1 - p) / (images + 2) for p in shares))


def compared(key: str, a: float, b: float, images: int) -> str:
    """Two accuracies in words: `linear 71.0 % against 65.0 %, more than chance (± 4.1)`."""
    margin = chance(a, b, images)
    verdict = "more than chance" if abs(a - b) > margin else "which may be chance"
    return f"{_NAMES.get(key, key)} {a:.1%} against {b:.1%}, {verdict} (± {margin:.1%})"


def training_paid(evaluation: Evaluation | None) -> str:
    """A sentence on whether training on the user's images paid; empty where the evaluation has no figures of `init`."""
    pairs = {} if evaluation is None else _pairs(evaluation.trained, evaluation.scores_of("init"))
    images = 0 if evaluation is None else evaluation.test_rows
    if not pairs or not images:
        return ""
    now, before = next(iter(pairs.values()))
    beyond = abs(now - before) > chance(now, before, images)
    details = "; ".join(compared(key, *pair, images) for key, pair in pairs.items())
    if not beyond:
        return (
            f"Whether training on these images paid cannot be told from {counted(images, 'test image')}, beside "
            "the weights it "
            f"began with: {details}."
        )
    if now > before:
        return f"Training on these images paid, beside the weights it began with: {details}."
    return (
        f"Training on these images did not pay, the weights it began with are better as they were: {details}. Take "
        "them so (--epochs 0), or train more gently (a lower --lr, more --epochs)."
    )


def common(one: Evaluation | None, other: Evaluation | None) -> dict[str, tuple[float, float]]:
    """The accuracies of the trained networks that both evaluations have. `linear` comes first, as it decides."""
    return {} if one is None or other is None else _pairs(one.trained, other.trained)


def _pairs(one: Scores, other: Scores) -> dict[str, tuple[float, float]]:
    accuracies = {"linear": (one.linear, other.linear), "knn": (one.knn, other.knn)}
    return {key: (a, b) for key, (a, b) in accuracies.items() if a is not None and b is not None}


BASELINES = {
    "pixels": "pixels",
    "histograms": "histograms",
    "untrained": "the untrained network",
    "random": "the untrained network",
}
"""What a trained network is compared with, by prefixes of evaluation.json and names of looks, in a sentence."""


def better_baseline(evaluation: Evaluation | None, looks: Mapping[str, LookRecord]) -> tuple[str, str] | None:
    """Which baseline is better than the trained features, by the run's records: a key of `BASELINES`, and why.

    With an evaluation, kNN accuracy beyond chance decides. Without one, the verdict of the last look decides: where it
    is "collapsed" or "not learning", the better of pixels and histograms is named, which is the one by which more views
    find their own image.

    Args:
        evaluation: what was evaluated, if anything was.
        looks: the last look at each kind of features.

    Returns:
        None where no baseline is better.
    """
    images = 0 if evaluation is None else evaluation.test_rows
    now = None if evaluation is None else evaluation.trained.knn
    if evaluation is not None and images and now is not None:
        baselines = knn_of_baselines(evaluation)
        ahead = {name: value for name, value in baselines.items() if value - now > chance(value, now, images)}
        if not ahead:
            return None
        best = max(ahead, key=ahead.__getitem__)
        return best, (
            f"by {BASELINES[best]} {ahead[best]:.1%} of the test images are told by their nearest (kNN), by the "
            f"trained features {now:.1%}"
        )
    network = looks.get(NETWORK)
    word = "" if network is None else (network.verdict or "").split(":")[0]
    if word not in ("collapsed", "not learning"):
        return None
    retrieval = {name: looks[name].retrieval or 0.0 for name in ("pixels", "histograms") if name in looks}
    if not retrieval:
        return None
    best = max(retrieval, key=retrieval.__getitem__)
    return best, f"the network was found to be {word}"


def knn_of_baselines(evaluation: Evaluation) -> dict[str, float]:
    """kNN accuracies of the baselines that were measured, by the keys of `BASELINES`."""
    accuracies = {name: evaluation.scores_of(name).knn for name in BASELINES}
    return {name: knn for name, knn in accuracies.items() if knn is not None}


def by_labels(knn: float | None, baselines: Mapping[str, float], images: int) -> str:
    """A sentence that compares the network with the baselines by labels; empty where nothing was measured.

    Args:
        knn: accuracy in [0, 1] of the network's features.
        baselines: that of others, by the keys of `BASELINES`.
        images: those that were asked.
    """
    measured = {name: value for name, value in baselines.items() if name in BASELINES}
    if knn is None or not measured or not images:
        return ""
    ahead = {
        name: value for name, value in measured.items() if value > knn and value - knn > chance(value, knn, images)
    }
    level = {name: value for name, value in measured.items() if abs(value - knn) <= chance(value, knn, images)}
    if ahead:
        return f"By the labels, kNN {knn:.1%} is below that of {_listed(ahead)}: these would serve better."
    if level:
        return f"By the labels, kNN {knn:.1%} is no better than that of {_listed(level)}, as far as can be told."
    return f"By the labels, kNN {knn:.1%} is better than that of {_listed(measured)}."


def _listed(accuracies: Mapping[str, float]) -> str:
    named = [f"{BASELINES[name]} ({value:.1%})" for name, value in accuracies.items()]
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
