"""scikit-learn's own suite for estimators."""

from __future__ import annotations

from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

from lookalike.clustering.kmeans import KMeans

ESTIMATORS = [KMeans(n_clusters=3), KMeans(n_clusters=3, spherical=True)]


# as in scikit-learn's own k-means: first centroids are drawn by position, which repeated rows move
DRAWN_BY_POSITION = {
    "check_sample_weight_equivalence_on_dense_data": "rows that are repeated lead to other first centroids than weights"
}


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda _: DRAWN_BY_POSITION)
def test_scikit_learn_check(estimator: Any, check: Any) -> None:
    check(estimator)
