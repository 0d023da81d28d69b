"""scikit-learn's own suite for estimators, the whole of it, through rows of numbers on tiny networks."""

from __future__ import annotations

from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

from lookalike import DeepCluster, DeepClusterV2, SimCLR, Supervised

TINY: dict[str, Any] = {
    "epochs": 1,
    "width": 4,
    "batch_size": 16,
    "precision": "float32",
    "threads": 1,
    "snapshots": False,
    "check_every": 100,  # a look takes longer than an epoch of a few rows
}
ESTIMATORS = [
    SimCLR(**TINY),
    DeepCluster(n_clusters=3, **TINY),
    DeepClusterV2(n_clusters=3, **TINY),
    # rows of numbers are no pictures: views that leave a row in its place, and rates for a handful of steps
    Supervised(**{**TINY, "epochs": 8, "batch_size": 32}, augment="crop-flip", crop_min=1.0, lr=1.0, warmup=0.0),
]


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda _: {})
def test_scikit_learn_check(estimator: Any, check: Any) -> None:
    check(estimator)
