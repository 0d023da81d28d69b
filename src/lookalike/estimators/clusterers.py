"""Methods that find clusters as scikit-learn transformers that also group."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.base import ClusterMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from lookalike.clustering.lloyd import assign
from lookalike.core.arithmetic import outside_autocast
from lookalike.data.base import Images
from lookalike.engine.clustering import record_groups
from lookalike.estimators.base import Learner, ParameterTable, UnfitError
from lookalike.evaluate.clusters import kmeans_clustering
from lookalike.evaluate.n_clusters_selection import propose, score_k

_PARAMETERS: ParameterTable = {
    "n_clusters": (8, 'groups that labels_ and predict() speak of, or "auto": proposed by stability')
}
_AUTO = "auto"


class Clusterer(ClusterMixin, Learner):  # type: ignore[misc]  # scikit-learn has no types
    """A method whose features are grouped at the end."""

    renamed = {"n_clusters": "training_clusters"}
    extra_parameters = _PARAMETERS
    usage = """
    `METHOD(n_clusters=10).fit_predict(images)`. While it trains, the network is asked for many small clusters
    (`training_clusters`), several times as many as there are kinds. The groups of `labels_` and `predict` are few, for
    people: k-means of the final features at unit length, 30 restarts, `n_clusters` of them.

    Attributes: `labels_` (int64 [N]), `cluster_centers_` ([n_clusters, D]), `encoder_` (a plain nn.Module, in eval
    mode), `run_` (the run folder), `n_features_in_`, `scale_` (the range of numbers taken as black to white; None for
    bytes and files).
    """

    def predict(self, X: object) -> np.ndarray:
        """The group (int64 [N]) of each image: that of the nearest centre."""
        check_is_fitted(self)
        return self._nearest(torch.from_numpy(self.transform(X)))

    def fit_predict(self, X: object, y: object = None, **_: object) -> np.ndarray:
        """`fit`, then `labels_`: the group (int64 [N]) of each of the same images."""
        return self.fit(X, y).labels_

    def _after_training(self, images: Images, features_ND: Tensor) -> None:
        k = self.n_clusters
        if not (k == _AUTO or (isinstance(k, int | np.integer) and not isinstance(k, bool) and k >= 1)):
            raise UnfitError(f'n_clusters must be a whole number of at least 1 or "auto", not {k!r}')
        if k != _AUTO and k > len(features_ND):
            raise UnfitError(f"n_samples={len(features_ND)} is less than n_clusters={k}")
        k = propose(score_k(features_ND, "kmeans")).k if k == _AUTO else int(k)
        with self._in_words():
            clustering = kmeans_clustering(features_ND, k)
        self.cluster_centers_, self.labels_ = clustering.centroids_KD.numpy(), clustering.labels_N.numpy()
        record_groups(self.run_, self.labels_)  # for the page

    @outside_autocast
    def _nearest(self, features_ND: Tensor) -> np.ndarray:
        labels_N, _ = assign(F.normalize(features_ND, dim=1), torch.from_numpy(self.cluster_centers_))
        return labels_N.numpy()
