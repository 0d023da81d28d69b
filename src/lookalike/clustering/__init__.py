"""Clusters of rows: whitening before, balanced sampling after, and how well groupings agree."""

from lookalike.clustering.agreement import ari, matched_accuracy, nmi, purity
from lookalike.clustering.balance import balanced_order
from lookalike.clustering.kmeans import KMeans
from lookalike.clustering.whiten import pca_whiten

__all__ = ["KMeans", "ari", "balanced_order", "matched_accuracy", "nmi", "pca_whiten", "purity"]
