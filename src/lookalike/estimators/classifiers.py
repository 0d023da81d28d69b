"""Methods that learn from labels as scikit-learn classifiers: what the others are compared with."""

from __future__ import annotations

import dataclasses
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from lookalike.data.base import Images
from lookalike.engine.checkpoint import load_checkpoint
from lookalike.estimators.base import Learner, UnfitError
from lookalike.estimators.targets import checked_targets, raise_other_kind
from lookalike.inputs import InputError, plain


class Classifier(ClassifierMixin, Learner):  # type: ignore[misc]  # scikit-learn has no types
    """A network trained with labels, and its classifier; `transform` gives the features before it."""

    usage = """
    `METHOD().fit(images, y)`, or `fit("photos/")` with a folder for each class. All images of the training split
    are learned from: nothing is held out, as in scikit-learn, so ask `score` of images that were not in it. `transform`
    gives the features before the classifier.

    Attributes: `classes_`, `encoder_` (a plain nn.Module, in eval mode), `run_` (the run folder), `n_features_in_`,
    `scale_` (the range of numbers taken as black to white; None for bytes and files).
    """

    def fit(self, X: object, y: object = None) -> Self:
        """Train on images and labels.

        Args:
            X: as every estimator of lookalike takes images.
            y: a label for each image; None takes those of the folder or file.

        Raises:
            UnfitError: no labels, one class only, too few images, or parameters that cannot be; a ValueError.
        """
        self._learn(X, y)
        return self

    def predict_proba(self, X: object) -> np.ndarray:
        """Probabilities (float64 [N, K]) of `classes_`."""
        return F.softmax(self._logits(X), dim=1).numpy()

    def predict(self, X: object) -> np.ndarray:
        """The likeliest class of each image."""
        check_is_fitted(self)
        return self.classes_[self._logits(X).argmax(1).numpy()]

    def score(self, X: object, y: object = None, sample_weight: object = None) -> float:
        """Accuracy on images; y as in `fit`."""
        check_is_fitted(self)
        X = plain(X)
        if y is None:
            images = self._images(X)
            if images.labels is None:
                raise InputError("no labels to score against: give y, or a folder with a folder for each class")
            y = np.array([images.classes[code] for code in images.labels.tolist()])
        predicted = self.predict(X)
        y = checked_targets(y, len(predicted))
        raise_other_kind(y, self.classes_)
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def _logits(self, X: object) -> Tensor:
        check_is_fitted(self)
        features_ND = torch.from_numpy(self.transform(X)).double()
        if getattr(self._backbone.encoder, "ends_before_relu", False):
            features_ND = F.relu(features_ND)
        return features_ND @ torch.from_numpy(self._weight).double().T + torch.from_numpy(self._bias).double()

    def _with_labels(self, images: Images, y: object) -> Images:
        if y is None:
            if images.labels is None:
                raise UnfitError(
                    f"This {type(self).__name__} estimator requires y to be passed, but the target y is None; or give "
                    "a folder that has a folder for each class"
                )
            self.classes_ = np.array(images.classes)
        else:
            y = checked_targets(y, len(images))
            check_classification_targets(y)
            self.classes_, codes = np.unique(y, return_inverse=True)
            labels = torch.from_numpy(codes).long()
            images = dataclasses.replace(images, labels=labels, classes=tuple(map(str, self.classes_)))
        if len(self.classes_) < 2:
            raise UnfitError(f"{type(self).__name__} tells classes apart, and there is one class only")
        # a split that holds nothing out: the engine would keep a fifth of the images for evaluation
        return images if images.split is not None else dataclasses.replace(images, split=("train",) * len(images))

    def _trained_on(self, images: Images) -> int:
        assert images.evaluation is not None  # there are labels
        return len(images.evaluation[0])

    def _after_training(self, images: Images, features_ND: Tensor) -> None:
        state = load_checkpoint(self.run_.checkpoint)["method"]
        self._weight, self._bias = (state[f"head.0.{name}"].float().numpy() for name in ("weight", "bias"))
