"""The linear classifier that supervised training ends with: classifier.safetensors, beside the encoder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lookalike.core.errors import LookalikeError
from lookalike.core.files import write_atomically
from lookalike.engine.feature_extractor import FeatureExtractor, load_feature_extractor
from lookalike.methods.base import Method
from lookalike.runs.folder import RunFolder


@dataclass(frozen=True)
class Classifier:
    """A network, and a linear map from its features to classes."""

    backbone: FeatureExtractor
    weight_KD: Tensor
    bias_K: Tensor
    classes: tuple[str, ...]

    def probabilities(self, features_ND: Tensor) -> Tensor:
        """Of each class (float32 [N, K]), from the backbone's features."""
        rectified = getattr(self.backbone.encoder, "ends_before_relu", False)
        h_ND = F.relu(features_ND) if rectified else features_ND
        return F.softmax(h_ND.float() @ self.weight_KD.T + self.bias_K, dim=1)


def save_classifier(path: Path, method: Method, classes: tuple[str, ...]) -> None:
    """Write the head of supervised training, and as metadata the names of the classes."""
    state = method.state_dict()
    tensors = {name: state[f"head.0.{name}"].detach().float().cpu().contiguous() for name in ("weight", "bias")}
    data = save(tensors, {"classes": json.dumps(classes)})
    write_atomically(path, lambda file: file.write(data))


def load_classifier(run: RunFolder, device: str) -> Classifier:
    """The classifier of a run.

    Raises:
        LookalikeError: the run has none, or the file is damaged.
    """
    if not run.classifier.is_file():
        raise LookalikeError(
            f"{run.path} has no classifier: it learned without labels, or did not finish. Give it some labels: "
            f"lookalike finetune {run.path} DATA, or lookalike label {run.path} labels.csv"
        )
    try:
        with safe_open(run.classifier, framework="pt") as file:
            classes = tuple(json.loads((file.metadata() or {})["classes"]))
            weight_KD, bias_K = file.get_tensor("weight"), file.get_tensor("bias")
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise LookalikeError(f"{run.classifier} is no classifier written by lookalike: {error!r}") from error
    backbone = load_feature_extractor(run.encoder, device)
    if weight_KD.shape != (len(classes), backbone.encoder.out_features) or not torch.isfinite(weight_KD).all():
        raise LookalikeError(f"{run.classifier} does not belong to {run.encoder.name}; train that run again")
    return Classifier(backbone, weight_KD, bias_K, classes)
