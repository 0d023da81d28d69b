"""SimCLR as a scikit-learn transformer."""

from __future__ import annotations

from lookalike.estimators.base import Learner
from lookalike.methods import simclr


class SimCLR(Learner):
    """Features that find an image again in a changed copy of it: contrastive learning (Chen et al. 2020).

    `SimCLR(epochs=50).fit("photos/").transform(images)`: float32 features [N, D], for search, groups, few labels.

    Attributes: `encoder_` (a plain nn.Module, in eval mode), `run_` (the run folder), `n_features_in_`, `scale_` (the
    range of numbers taken as black to white; None for bytes and files).
    """

    method = "simclr"
    options = simclr.Options
