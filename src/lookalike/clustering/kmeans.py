"""k-means as a scikit-learn estimator, for numpy arrays and for torch tensors on any device."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from lookalike.clustering.lloyd import Clustering, assign, lloyd
from lookalike.core import rng
from lookalike.core.errors import LookalikeError
from lookalike.core.words import counted


class ClusteringError(LookalikeError, ValueError):
    """What cannot be clustered; a ValueError too, as scikit-learn's users expect."""


class KMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Lloyd's k-means, Euclidean or spherical (`lloyd.py` says how).

    Arrays give arrays; a tensor [N, D] gives tensors on its device. float64 is computed in float64.

    Args:
        n_clusters: number of clusters.
        init: "k-means++", "random", or first centroids [n_clusters, D]: a warm start.
        n_init: runs from different first centroids, the one with the least inertia being kept; one run
            where init holds centroids.
        max_iter: iterations of a run at the most.
        tol: a run ends when the squared distances that the centroids moved add up to at most tol times the
            mean variance of a feature, as in scikit-learn.
        spherical: scale rows and centroids to length 1.
        random_state: an int, a numpy RandomState to draw one from, or None for a different result each time.

    Attributes:
        cluster_centers_: [n_clusters, D].
        labels_: int64 [N].
        inertia_: sum of squared distances to the nearest centroid.
        n_iter_: iterations of the run that was kept.
        n_refilled_: how many empty clusters it refilled.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        n_init: int = 1,
        max_iter: int = 300,
        tol: float = 1e-4,
        spherical: bool = False,
        random_state: Any = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.spherical = spherical
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the clusters of the rows of X.

        Raises:
            ClusteringError: parameters out of range, more clusters than rows or (k-means++) distinct rows,
                first centroids of the wrong shape.
            ValueError: X is not a finite numeric matrix.
        """
        x = self._rows(X, reset=True)
        self._check_parameters(len(x))
        init = self.init if isinstance(self.init, str) else torch.as_tensor(self.init)
        runs = self.n_init if isinstance(init, str) else 1
        try:
            found = min((self._run(x, init, seed) for seed in self._seeds(runs)), key=lambda run: run.inertia)
        except ClusteringError:
            raise
        except LookalikeError as error:
            raise ClusteringError(str(error)) from error
        self.cluster_centers_ = _like(found.centroids_KD, X)
        self.labels_ = _like(found.labels_N, X)
        self.inertia_ = found.inertia
        self.n_iter_ = found.iterations
        self.n_refilled_ = found.refilled
        self._n_features_out = self.n_clusters
        return self

    def predict(self, X: Any) -> Any:
        """Labels (int64 [N]) of the nearest centroids."""
        check_is_fitted(self)
        x = self._rows(X, reset=False)
        try:
            labels, _ = assign(x, self._centroids(x), spherical=self.spherical)
        except LookalikeError as error:
            raise ClusteringError(str(error)) from error
        return _like(labels, X)

    def transform(self, X: Any) -> Any:
        """Distances [N, n_clusters] to the centroids, of rows scaled to length 1 where spherical."""
        check_is_fitted(self)
        x = self._rows(X, reset=False)
        if self.spherical:
            x = F.normalize(x, dim=1)
        # a matrix product would be quicker, but lose the small distances to rounding
        distances = torch.cdist(x, self._centroids(x), compute_mode="donot_use_mm_for_euclid_dist")
        return _like(distances, X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _rows(self, X: Any, reset: bool) -> Tensor:
        """X as a tensor, checked as scikit-learn does."""
        if not isinstance(X, Tensor):
            array = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32], order="C")
            return torch.from_numpy(array if array.flags.writeable else array.copy())
        if X.ndim != 2 or X.is_complex():
            raise ClusteringError(f"expected a real tensor [N, D], got {X.dtype} of shape {list(X.shape)}")
        if reset:
            self.n_features_in_ = X.shape[1]
        elif X.shape[1] != self.n_features_in_:
            raise ClusteringError(
                f"X has {counted(X.shape[1], 'feature')}, but KMeans was fitted to {self.n_features_in_}"
            )
        return X.detach() if X.dtype == torch.float64 else X.detach().float()

    def _centroids(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.cluster_centers_).to(x)

    def _check_parameters(self, n: int) -> None:
        for name, least in (("n_clusters", 1), ("n_init", 1), ("max_iter", 1)):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
                raise ClusteringError(f"{name} must be a whole number of at least {least}, not {value!r}")
        if not self.tol >= 0:
            raise ClusteringError(f"tol must be at least 0, not {self.tol!r}")
        if n < self.n_clusters:
            raise ClusteringError(f"n_samples={n} is less than n_clusters={self.n_clusters}")

    def _seeds(self, runs: int) -> list[int]:
        state = self.random_state
        if state is None:
            state = int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> 1)
        elif not isinstance(state, int | np.integer):
            state = int(state.randint(2**31 - 1))
        return [int(state), *(rng.derive(int(state), "kmeans-run", run) for run in range(1, runs))]

    def _run(self, x: Tensor, init: str | Tensor, seed: int) -> Clustering:
        k, max_iter, tol = int(self.n_clusters), int(self.max_iter), float(self.tol)
        return lloyd(x, k, seed=seed, init=init, max_iter=max_iter, tol=tol, spherical=self.spherical)


def _like(result: Tensor, X: Any) -> Any:
    """A tensor where X was one, else an array."""
    return result if isinstance(X, Tensor) else result.numpy()
