"""Would features without training serve better? By labels that were given, by groups, by what a run was judged by."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from lookalike.api.other_features import TRAINED, UNTRAINED, other_features, raise_other_images
from lookalike.core import rng
from lookalike.core.errors import LookalikeError
from lookalike.core.metrics import read_metrics
from lookalike.core.words import counted
from lookalike.evaluate.baselines import BASELINES
from lookalike.evaluate.clusters import clustering_metrics, groups
from lookalike.evaluate.comparison import better_baseline
from lookalike.evaluate.n_clusters_selection import stability
from lookalike.evaluate.propagate import left_out
from lookalike.runs.clusters import ClusterRecord
from lookalike.runs.folder import RunFolder
from lookalike.runs.looks import last_of_each_kind, looks_in
from lookalike.runs.reader import evaluation_of, features_and_index

_SAMPLE = 2000  # images by which features are compared, beside those with labels
_AHEAD = 0.1  # agreement by which other groups must be ahead to be spoken of
_STEADY = 0.6  # agreement of groupings of halves from which groups are left alone


def better_for_labels(
    run: RunFolder,
    labelled_L: Tensor,
    code_L: Tensor,
    classes: int,
    load_options: Mapping[str, object] | None = None,
) -> tuple[str, str] | None:
    """Which features guess more of the given labels, each fifth left out in turn, and a sentence on it.

    Args:
        run: a run folder that holds features.
        labelled_L: int64, rows that have labels.
        code_L: int64, their classes.
        classes: how many.
        load_options: options of loading that differ from the run's.

    Returns:
        The kind and the sentence; None where the trained features do as well, or nothing can be known: the images
        are gone, or no class has two labels.
    """
    others = rng.permutation(0, "better/labels", 0, _count(run))
    others = others[~torch.isin(others, labelled_L)][:_SAMPLE]
    rows = torch.cat([labelled_L, others])
    place_L = torch.arange(len(labelled_L))
    right = {
        kind: left_out(torch.from_numpy(x), place_L, code_L, classes) for kind, x in _features(run, rows, load_options)
    }
    if len(right) < 2 or not any(bool(hits.any()) for hits in right.values()):
        return None
    trained = right.pop(TRAINED)
    best = max(right, key=lambda kind: int(right[kind].sum()))
    differ = int((right[best] != trained).sum())
    gain = int(right[best].sum()) - int(trained.sum())
    if gain < 2 or gain**2 < differ:  # within one standard error
        return None
    certain = "" if gain**2 >= 4 * differ else ", which may be chance"
    return best, (
        f"left out in turn, {int(right[best].sum())} of the {counted(len(trained), 'label')} given are guessed right "
        f"by {best}, {int(trained.sum())} by the trained features{certain}"
    )


def better_for_groups(
    run: RunFolder, groups_made: ClusterRecord, load_options: Mapping[str, object] | None = None
) -> tuple[str, str] | None:
    """Which features give groups that agree better with labels, or where there are none, that are steadier.

    Args:
        run: a run folder.
        groups_made: what `group_run` gave for the trained features.
        load_options: options of loading that differ from the run's.
    """
    rows = rng.permutation(0, "better/groups", 0, _count(run))[:_SAMPLE]
    kinds = {kind: torch.from_numpy(x) for kind, x in _features(run, rows, load_options)}
    k, method = groups_made.k, groups_made.method
    if len(kinds) < 2 or k > len(rows) // 10:
        return None
    label_N = [row["label"] for row in features_and_index(run)[1]]
    named = torch.tensor([bool(label_N[row]) for row in rows.tolist()])
    codes = {name: code for code, name in enumerate(sorted(set(label_N)))}
    if len(codes) > 1 and named.any():
        truth = torch.tensor([codes[label_N[row]] for row in rows[named].tolist()])
        reached = {kind: clustering_metrics(groups(method, x, k)[0][named], truth).nmi for kind, x in kinds.items()}
        what, enough = "agree with the labels by an NMI of", 1.0
    else:
        reached = {kind: stability(x, k, method) for kind, x in kinds.items()}
        what, enough = "are steadier: those of two halves of the images agree by", _STEADY
    best = max(reached, key=reached.__getitem__)
    if reached[TRAINED] >= enough or reached[best] < reached[TRAINED] + _AHEAD:
        return None
    return best, f"groups by {best} {what} {reached[best]:.2f}, by the trained features {reached[TRAINED]:.2f}"


def better_for_search(run: RunFolder) -> tuple[str, str] | None:
    """Which features the records of a run put ahead of the trained ones, and why."""
    looks = last_of_each_kind(looks_in(read_metrics(run.metrics)))
    baseline = better_baseline(evaluation_of(run), looks)
    return None if baseline is None else (UNTRAINED if baseline[0] == "random" else baseline[0], baseline[1])


def _count(run: RunFolder) -> int:
    return len(features_and_index(run)[1])


def _features(run: RunFolder, rows: Tensor, load_options: Mapping[str, object] | None) -> list[tuple[str, np.ndarray]]:
    """The trained features of some rows, and the others; nothing where the images are gone."""
    features, index = features_and_index(run)
    kinds = [(TRAINED, features[rows.numpy()])]
    try:
        for kind in BASELINES:
            other = other_features(run, kind, load_options=load_options)
            raise_other_images(run, other.images, index)
            kinds.append((kind, other.extract(other.images.center_crops.take(rows)).numpy()))
    except LookalikeError:
        return []
    return kinds
