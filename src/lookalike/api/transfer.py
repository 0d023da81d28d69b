"""Weights and data that did not grow up together: what a run began with, and a run on other images than its own."""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from lookalike.api.evaluating import baseline_scores, penalties, split_of
from lookalike.api.records import loading, options_of
from lookalike.core import machine
from lookalike.core.arithmetic import outside_autocast
from lookalike.core.comm import SINGLE
from lookalike.core.files import read_json, write_json
from lookalike.core.options import spoken
from lookalike.core.process import threads_kept
from lookalike.core.progress import tell
from lookalike.core.record_types import Record
from lookalike.data.loading import load as load_images
from lookalike.engine.feature_extractor import load_feature_extractor
from lookalike.evaluate.protocol import measure, protocol
from lookalike.inputs import entering
from lookalike.runs.evaluation import TRAINED, Evaluation
from lookalike.runs.folder import RunFolder


@outside_autocast
@threads_kept()
def evaluate_on(
    run: RunFolder,
    data: str | tuple[str, ...],
    *,
    baselines: bool = True,
    device: str = "auto",
    threads: int | None = None,
    encoder: nn.Module | None = None,
    load_options: Mapping[str, object] | None = None,
) -> tuple[Path, Record]:
    """kNN, linear and cluster accuracy of a run's frozen encoder on other data than it was trained on.

    Images of another size are brought to the network's, and grey and colour into each other, which is said. Nothing
    is trained but the probes. evaluation.json stays as it is.

    Args:
        run: a run folder.
        data: DATA, with labels.
        baselines: measure pixels, histograms and the untrained network on these data too.
        device: where features are extracted.
        threads: CPU threads.
        encoder: an untrained instance of the network that was given to `train` from Python.
        load_options: options of loading that differ from the run's (`core/load_options.py`).

    Returns:
        The file that was written, RUN/evaluations/NAME.json, and what it holds.

    Raises:
        LookalikeError: no labels, too few, or channels that cannot be converted.
    """
    begun = time.monotonic()
    machine.use_threads(threads)
    device = machine.resolve_device(device)
    _, options = options_of(run)
    backbone = load_feature_extractor(run.encoder, device, copy.deepcopy(encoder))
    config = loading(options, load_options)
    images = load_images(data, backbone.spec.image_size, bool((load_options or {}).get("download", False)), config)
    bank, test = split_of(images, data)
    assert images.labels is not None
    pixels, note = entering(images, backbone.spec.channels)
    if note:
        tell(note)
    classes = len(images.classes)
    scores = {TRAINED: measure(backbone.features(pixels), images.labels, bank, test, classes)}
    if baselines:
        channels = backbone.spec.channels if images.shape[0] == 1 else None
        scores |= baseline_scores(options, images, device, encoder, SINGLE, channels)
    same_images = images.fingerprint == run.status().fingerprint
    rules = {
        **protocol(bank, test, classes, penalties(scores)),
        "split": "the data's own" if images.split is not None else "20 % held out by a hash of the path",
        "data": spoken(data),
        "fingerprint": images.fingerprint,
        "training_saw": "these images" if same_images else f"other data: {spoken(options.data)}",
        "converted": note,
        "seconds": round(time.monotonic() - begun, 2),
    }
    result = Evaluation(scores, rules).to_json()
    path = _place(run, images.name, images.fingerprint)
    write_json(path, result)
    return path, result


def _place(run: RunFolder, name: str, fingerprint: str) -> Path:
    """Where the figures of these images go: not over those of others by the same name."""
    name = re.sub(r"[^\w.-]+", "-", name) or "data"
    path = run.path / "evaluations" / f"{name}.json"
    if path.exists() and read_json(path).get("protocol", {}).get("fingerprint") != fingerprint:
        return path.with_name(f"{name}-{fingerprint[:8]}.json")
    return path
