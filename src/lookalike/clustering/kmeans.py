"""k-means as a scikit-learn estimator, for numpy arrays and for torch tensors on any device."""

from __future__ import annotations

from numbers import Real
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from lookalike.clustering.lloyd import Clustering, assign, lloyd
from lookalike.core import rng
from lookalike.core.errors import LookalikeError
from lookalike.core.rng import drawn_seed
from lookalike.core.words import counted

_AUTO = 10  # runs that n_init="auto" makes where first centroids are drawn without care
_TRANSFORMED = 1 << 24  # distances taken at a time
_TINY = 1e-150  # lengths below which a row has no direction


class ClusteringError(LookalikeError, ValueError):
    """What cannot be clustered; a ValueError too, as scikit-learn's users expect."""


class KMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Lloyd's k-means, Euclidean or spherical (`lloyd.py` says how).

    Arrays give arrays; a tensor [N, D] gives tensors on its device. float64 is computed in float64.

    Args:
        n_clusters: number of clusters.
        init: "k-means++", "random", first centroids [n_clusters, D] (a warm start), or what gives such when called as
            init(X, n_clusters, random_state=state), X as it is computed with.
        n_init: runs from different first centroids, the one with the least inertia being kept; one run
            where init holds centroids. "auto", as in scikit-learn: 1 with "k-means++", else 10.
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
        init: object = "k-means++",
        n_init: int | str = 1,
        max_iter: int = 300,
        tol: float = 1e-4,
        spherical: bool = False,
        random_state: object = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.spherical = spherical
        self.random_state = random_state

    def fit(self, X: object, y: object = None, sample_weight: object = None) -> Self:
        """Find the clusters of the rows of X.

        Args:
            X: rows [N, D].
            y: is not looked at.
            sample_weight: [N], how much each row counts, at least 0; all alike where None.

        Raises:
            ClusteringError: parameters out of range, more clusters than rows or (k-means++) distinct rows,
                first centroids or weights of the wrong shape.
            ValueError: X is not a finite numeric matrix.
        """
        x = self._rows(X, reset=True)
        self._check_parameters(len(x))
        weights = self._weights(sample_weight, x)
        try:
            runs = [self._run(x, weights, seed) for seed in self._seeds(self._runs())]
        except ClusteringError:
            raise
        except LookalikeError as error:
            raise ClusteringError(str(error)) from error
        best = min(runs, key=lambda run: run.inertia)
        self.cluster_centers_ = _like(best.centroids_KD, X)
        self.labels_ = _like(best.labels_N, X)
        self.inertia_ = best.inertia
        self.n_iter_ = best.iterations
        self.n_refilled_ = best.refilled
        self._n_features_out = self.n_clusters
        return self

    def predict(self, X: object) -> np.ndarray | Tensor:
        """Labels (int64 [N]) of the nearest centroids."""
        return _like(self._assigned(X)[1], X)

    def score(self, X: object, y: object = None, sample_weight: object = None) -> float:
        """The negative inertia of these rows: of their squared distances to the nearest centroids, the weighted sum."""
        x, _, distance_N = self._assigned(X)
        weights = self._weights(sample_weight, x)
        return -float((distance_N.double() if weights is None else distance_N.double() * weights).sum())

    def transform(self, X: object) -> np.ndarray | Tensor:
        """Distances [N, n_clusters] to the centroids, of rows scaled to length 1 where spherical."""
        check_is_fitted(self)
        x = self._rows(X, reset=False)
        # a matrix product would be quicker, but lose the small distances to rounding; float64 as squares of float32
        # may be beyond it
        c = self._centroids(x)
        few = max(1, _TRANSFORMED // c.numel())
        parts = []
        for part in x.split(few):
            part = F.normalize(part.double(), dim=1, eps=_TINY) if self.spherical else part.double()
            parts.append(torch.cdist(part, c.double(), compute_mode="donot_use_mm_for_euclid_dist").to(x.dtype))
        return _like(torch.cat(parts), X)

    def __sklearn_tags__(self) -> object:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _rows(self, X: object, reset: bool) -> Tensor:
        """X as a tensor, checked as scikit-learn does."""
        if not isinstance(X, Tensor):
            array = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32], order="C")
            return torch.from_numpy(array if array.flags.writeable else array.copy())
        if X.layout != torch.strided:
            raise ClusteringError(f"expected a dense tensor [N, D], got layout {X.layout}: give X.to_dense()")
        if X.ndim != 2 or X.is_complex():
            raise ClusteringError(f"expected a real tensor [N, D], got {X.dtype} of shape {list(X.shape)}")
        if reset:
            self.n_features_in_ = X.shape[1]
        elif X.shape[1] != self.n_features_in_:
            raise ClusteringError(
                f"X has {counted(X.shape[1], 'feature')}, but KMeans was fitted to {self.n_features_in_}"
            )
        return X.detach() if X.dtype == torch.float64 else X.detach().float()

    def _assigned(self, X: object) -> tuple[Tensor, Tensor, Tensor]:
        """The rows, their labels, and their squared distances to the nearest centroids."""
        check_is_fitted(self)
        x = self._rows(X, reset=False)
        try:
            return x, *assign(x, self._centroids(x), spherical=self.spherical)
        except LookalikeError as error:
            raise ClusteringError(str(error)) from error

    def _weights(self, sample_weight: object, x: Tensor) -> Tensor | None:
        """float64 [N], or None."""
        if sample_weight is None:
            return None
        if isinstance(sample_weight, Tensor):
            sample_weight = sample_weight.detach().cpu()
        try:
            array = np.asarray(sample_weight)
            if array.dtype.kind == "c":
                raise TypeError("complex numbers do not order rows")
            weights = torch.from_numpy(array.astype(np.float64)).to(x.device)
        except (TypeError, ValueError) as error:
            raise ClusteringError(f"sample_weight must hold a number for each row: {error}") from error
        if weights.ndim == 0:  # one for all, as in scikit-learn
            weights = weights.expand(len(x))
        if weights.shape != x.shape[:1]:
            raise ClusteringError(f"sample_weight has shape {list(weights.shape)} for {counted(len(x), 'row')}")
        if not bool(weights.isfinite().all()) or bool((weights < 0).any()):
            raise ClusteringError("sample_weight must be finite and at least zero")
        return weights

    def _centroids(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.cluster_centers_).to(x)

    def _check_parameters(self, n: int) -> None:
        for name, least in (("n_clusters", 1), ("n_init", 1), ("max_iter", 1)):
            value = getattr(self, name)
            if name == "n_init" and value == "auto":
                continue
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
                raise ClusteringError(f"{name} must be a whole number of at least {least}, not {value!r}")
        if not isinstance(self.tol, Real) or not self.tol >= 0:
            raise ClusteringError(f"tol must be at least 0, not {self.tol!r}")
        if n < self.n_clusters:
            raise ClusteringError(f"n_samples={n} is less than n_clusters={self.n_clusters}")

    def _runs(self) -> int:
        if not isinstance(self.init, str) and not callable(self.init):
            return 1
        if self.n_init != "auto":
            return int(self.n_init)
        return 1 if self.init == "k-means++" else _AUTO

    def _seeds(self, runs: int) -> list[int]:
        state = self.random_state
        if state is None:
            state = int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> 1)
        elif not isinstance(state, int | np.integer):
            state = drawn_seed(state)
        return [int(state), *(rng.derive(int(state), "kmeans-run", run) for run in range(1, runs))]

    def _run(self, x: Tensor, weights: Tensor | None, seed: int) -> Clustering:
        k, init = int(self.n_clusters), self.init
        if callable(init):
            init = init(x.cpu().numpy(), k, random_state=np.random.RandomState(seed % 2**32))
        if not isinstance(init, str | Tensor):
            try:
                if init is None:
                    raise TypeError("None holds no centroids")
                init = torch.from_numpy(np.array(init, dtype=np.float64))
            except (TypeError, ValueError) as error:
                raise ClusteringError(
                    f"init must be 'k-means++', 'random', first centroids [{k}, {x.shape[1]}] or what gives such when "
                    f"called, got {type(init).__name__}"
                ) from error
        return lloyd(
            x,
            k,
            seed=seed,
            init=init,
            max_iter=int(self.max_iter),
            tol=float(self.tol),
            spherical=self.spherical,
            weights_N=weights,
        )


def _like(result: Tensor, X: object) -> np.ndarray | Tensor:
    """A tensor where X was one, else an array."""
    return result if isinstance(X, Tensor) else result.numpy()
