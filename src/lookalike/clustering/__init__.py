"""Clusters of rows: whitening before, balanced sampling after, and how well groupings agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lookalike.core.lazy_import import lazy_import

if TYPE_CHECKING:
    from lookalike.clustering.balance import balanced_order
    from lookalike.clustering.clustering_metrics import ari, matched_accuracy, nmi, purity
    from lookalike.clustering.kmeans import KMeans
    from lookalike.clustering.whiten import pca_whiten

__all__ = ["KMeans", "ari", "balanced_order", "matched_accuracy", "nmi", "pca_whiten", "purity"]

# imported when they are asked for: a training that clusters nothing begins without scikit-learn and SciPy
_LAZY = {
    "KMeans": "kmeans",
    "ari": "clustering_metrics",
    "balanced_order": "balance",
    "matched_accuracy": "clustering_metrics",
    "nmi": "clustering_metrics",
    "pca_whiten": "whiten",
    "purity": "clustering_metrics",
}
__getattr__, __dir__ = lazy_import(__name__, _LAZY, globals())
