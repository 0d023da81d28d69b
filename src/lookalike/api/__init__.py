"""Whole jobs: train, evaluate, embed. The command line and the Python face both call these."""

from lookalike.api.better_features import better_for_groups, better_for_labels, better_for_search
from lookalike.api.configure import configure
from lookalike.api.embedding import embed, features_of
from lookalike.api.evaluating import baseline_scores, can_evaluate, evaluate
from lookalike.api.few_label_table import few_labels
from lookalike.api.finetuning import Schedule, finetune
from lookalike.api.finish import Finished, Wish, finish
from lookalike.api.labelling import label, select
from lookalike.api.load import training_rows
from lookalike.api.networks import untrained_backbone, with_recomputed_bn_stats
from lookalike.api.other_features import (
    TRAINED,
    OtherFeatures,
    features_of_kind,
    other_features,
    raise_other_images,
)
from lookalike.api.predicting import Predictions, predict
from lookalike.api.records import (
    default_run,
    images_of,
    keep_survey,
    loading,
    options_of,
    write_features,
    write_index,
)
from lookalike.api.training import decide, train
from lookalike.api.transfer import evaluate_on
from lookalike.data.loading import load as load_images
from lookalike.engine.feature_extractor import load_feature_extractor
from lookalike.runs.folder import RunFolder
from lookalike.runs.reader import index_of

__all__ = [
    "TRAINED",
    "Finished",
    "OtherFeatures",
    "Predictions",
    "RunFolder",
    "Schedule",
    "Wish",
    "baseline_scores",
    "better_for_groups",
    "better_for_labels",
    "better_for_search",
    "can_evaluate",
    "configure",
    "decide",
    "default_run",
    "embed",
    "evaluate",
    "evaluate_on",
    "features_of",
    "features_of_kind",
    "few_labels",
    "finetune",
    "finish",
    "images_of",
    "index_of",
    "keep_survey",
    "label",
    "load_feature_extractor",
    "load_images",
    "loading",
    "options_of",
    "other_features",
    "predict",
    "raise_other_images",
    "select",
    "train",
    "training_rows",
    "untrained_backbone",
    "with_recomputed_bn_stats",
    "write_features",
    "write_index",
]
