"""scikit-learn's own suite for estimators."""

from __future__ import annotations

from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

from lookalike.clustering.kmeans import KMeans

ESTIMATORS = [KMeans(n_clusters=3), KMeans(n_clusters=3, spherical=True)]


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda _: {})
def test_scikit_learn_check(estimator: Any, check: Any) -> None:
    check(estimator)
