"""Whole jobs: train, evaluate, embed. The command line and the Python face both call these."""

from lookalike.api.embedding import embed, features_of
from lookalike.api.evaluating import baseline_scores, can_evaluate, evaluate
from lookalike.api.few_label_table import few_labels
from lookalike.api.finetuning import Schedule, finetune
from lookalike.api.labelling import label, select
from lookalike.api.networks import calibrated, untrained_backbone
from lookalike.api.predicting import Predictions, predict
from lookalike.api.records import (
    default_run,
    finish,
    images_of,
    loading,
    options_of,
    write_features,
    write_index,
)
from lookalike.api.training import train, training_rows
from lookalike.api.transfer import evaluate_on
from lookalike.data.base import load as load_images
from lookalike.engine.backbone import load_backbone
from lookalike.engine.resolve import resolve
from lookalike.engine.run_folder import RunFolder

__all__ = [
    "Predictions",
    "RunFolder",
    "Schedule",
    "baseline_scores",
    "calibrated",
    "can_evaluate",
    "default_run",
    "embed",
    "evaluate",
    "evaluate_on",
    "features_of",
    "few_labels",
    "finetune",
    "finish",
    "images_of",
    "label",
    "load_backbone",
    "load_images",
    "loading",
    "options_of",
    "predict",
    "resolve",
    "select",
    "train",
    "training_rows",
    "untrained_backbone",
    "write_features",
    "write_index",
]
