"""A model card: what a network is, what it was trained on and how, what it reached, and what to mind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from lookalike.core.options import TrainOptions, lasting, short
from lookalike.core.version import VERSION
from lookalike.core.words import counted
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.export.base import Source, printable
from lookalike.export.networks import is_resnet
from lookalike.runs.evaluation import TRAINED, Evaluation, Scores

_FIGURES: dict[str, Callable[[Scores], float | None]] = {
    "kNN accuracy": lambda scores: scores.knn,
    "linear accuracy": lambda scores: scores.linear,
    "groups, matched with the classes": lambda scores: scores.groups,
}


def text(source: Source, backbone: FeatureExtractor, options: tuple[str, TrainOptions]) -> str:
    """The card, Markdown with a YAML head."""
    method, chosen = options
    spec, record = backbone.spec, source.reader.record
    side, channels = spec.image_size, spec.channels
    name = source.reader.method
    needs = "torchvision" if is_resnet(backbone) else "lookalike"
    trained = record.training_images or record.images
    use = 'from load import features\n\nx = features(["photo.jpg"])'
    if channels not in (1, 3):
        use = "from load import model, prepare\n\nx = model(prepare(images))"
    parts = [
        _head(method, source.reader.with_labels),
        f"# {spec.name} by {name}",
        f"A network from images ({counted(channels, 'channel')}, {side} x {side} pixels) to "
        f"features of width {backbone.encoder.out_features}, trained by lookalike {VERSION}"
        + (" with labels." if source.reader.with_labels else " without labels."),
        "## Use",
        f"```python\n{use}\n```",
        f"`load.py` needs {needs}, safetensors and Pillow. Images enter as their central square, brought to {side} "
        "pixels and normalised by `image_mean` and `image_std` of preprocessor_config.json.",
        "## Training",
        f"{name} on {counted(trained, 'image')} of {_data(chosen)}, seed {record.seed}; PyTorch "
        f"{record.versions.get('torch', 'unknown')}. The options, as resolved:",
        _table(training(chosen)),
        "## Figures",
        _figures(source.reader.evaluation),
        "## What to mind",
        "The features tell apart what the training images differ in, and ignore what the random views vary. On images "
        "of another kind they may say little: compare with raw pixels before relying on them. The licence of the "
        "images and of these weights is for whoever publishes them to name.",
    ]
    return "\n\n".join(parts) + "\n"


def training(options: TrainOptions) -> dict[str, object]:
    """The options that decide the result, without the place of a file on this machine."""
    values = {name: value for name, value in lasting(options).items() if value is not None}
    return {**values, "init": Path(str(values["init"])).name} if "init" in values else values


def _head(method: str, with_labels: bool) -> str:
    tags = ["lookalike", method, *(["self-supervised"] if not with_labels else [])]
    lines = ["---", "pipeline_tag: image-feature-extraction", "tags:", *(f"- {tag}" for tag in tags), "---"]
    return "\n".join(lines)


def _data(options: TrainOptions) -> str:
    name = printable(short(options.data)).replace("`", "'")
    return f"`{name}`"


def _table(values: dict[str, object]) -> str:
    rows = [f"| {name} | {json.dumps(value)} |" for name, value in values.items()]
    return "\n".join(["| option | value |", "|---|---|", *rows])


def _figures(evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return "None were measured."
    kinds = {"trained": TRAINED, "untrained": "random", "raw pixels": "pixels", "histograms": "histograms"}
    columns = {
        title: evaluation.scores_of(kind) for title, kind in kinds.items() if evaluation.scores_of(kind).knn is not None
    }
    rows = [
        f"| {title} | " + " | ".join(_number(score_of(scores)) for scores in columns.values()) + " |"
        for title, score_of in _FIGURES.items()
        if score_of(evaluation.trained) is not None
    ]
    head = "| | " + " | ".join(columns) + " |"
    chance = f", chance {evaluation.chance:.1%}:" if evaluation.chance else ":"
    caption = f"On {counted(evaluation.test_rows, 'test image')}{chance}"
    return "\n".join([caption, "", head, "|---|" + "---:|" * len(columns), *rows])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
