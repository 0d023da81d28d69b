"""Features of images, of the run's own or of any others."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

from torch import Tensor, nn

from lookalike.api.records import images_of, keep_new_place, loading, options_of, write_features, write_skipped
from lookalike.core import machine
from lookalike.core.process import threads_kept
from lookalike.core.progress import tell
from lookalike.data.base import Images
from lookalike.data.loading import load as load_images
from lookalike.engine.feature_extractor import load_feature_extractor
from lookalike.inputs import entering
from lookalike.runs.folder import RunFolder


@threads_kept()
def embed(
    run: RunFolder,
    data: str | tuple[str, ...] | None = None,
    *,
    out: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    encoder: nn.Module | None = None,
    images: Images | None = None,
    features: Tensor | None = None,
    load_options: Mapping[str, object] | None = None,
) -> Path:
    """Features of images as embeddings.npy (float32 [N, D], file order) and index.csv.

    Args:
        run: a run folder.
        data: DATA; None for the images of the run, whose features go into the run folder. Images of another size are
            brought to the network's, grey and colour into each other, which is said.
        out: folder for the two files; default: the run folder, or RUN/embeddings/NAME for other data.
        device: where to compute.
        threads: CPU threads.
        encoder: the network that was given to `train` from Python.
        images: those that the run was trained on, where they are not to be loaded again; without DATA.
        features: theirs (`features_of`), where they are known.
        load_options: options of loading that differ from the run's (`core/load_options.py`).

    Returns:
        The folder that holds the two files, and skipped.csv where files of DATA were passed over.

    Raises:
        LookalikeError: nothing that can be read, or channels that cannot be converted.
    """
    with run.writing() if data is None and out is None else nullcontext():
        return _embed(run, data, out, device, threads, encoder, images, features, load_options)


def _embed(
    run: RunFolder,
    data: str | tuple[str, ...] | None,
    out: Path | None,
    device: str,
    threads: int | None,
    encoder: nn.Module | None,
    images: Images | None,
    features: Tensor | None,
    load_options: Mapping[str, object] | None,
) -> Path:
    begun = time.monotonic()
    machine.use_threads(threads)
    if data is None:
        images = images or images_of(run, options_of(run)[1], load_options)
        folder = out or run.path
        features = features_of(run, images, device, threads, encoder) if features is None else features
    else:
        backbone = load_feature_extractor(run.encoder, machine.resolve_device(device), encoder)
        options = options_of(run)[1]
        config = loading(options, load_options)
        download = bool((load_options or {}).get("download", False))
        images = load_images(data, backbone.spec.image_size, download, config)
        if keep_new_place(run, options, data, images):
            tell(f"these are the images of {run.path}, which are looked for at this place from now on")
        folder = out or run.path / "embeddings" / images.name
        pixels, note = entering(images, backbone.spec.channels)
        if note:
            tell(note)
        features = backbone.features(pixels)
    write_features(folder, images, features)
    if data is not None:
        write_skipped(folder / "skipped.csv", images)
    if data is None and out is None:
        run.clusters.unlink(missing_ok=True)  # groups of the features that were there before
        run.update(seconds={"embed": time.monotonic() - begun})
    return folder


@threads_kept()
def features_of(
    run: RunFolder, images: Images, device: str = "auto", threads: int | None = None, encoder: nn.Module | None = None
) -> Tensor:
    """Features [N, D] (float32) of a run's own images; for whoever wants to embed and evaluate with one pass."""
    machine.use_threads(threads)
    return load_feature_extractor(run.encoder, machine.resolve_device(device), encoder).features(images.center_crops)
