"""`--init`: weights that somebody else trained, and what is known of how images have to enter them.

They come from a file, from an earlier run (its folder or its encoder.safetensors), or from timm or torchvision, which
fetch them. What such weights say of their network and their images is taken over where nothing else was said.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from lookalike.core.config import Layer
from lookalike.core.errors import LookalikeError
from lookalike.core.options import TrainOptions
from lookalike.core.words import counted
from lookalike.encoders.base import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    LIBRARIES,
    EncoderSpec,
    Trained,
    bridge,
    library_of,
)
from lookalike.encoders.weights import fit_weights, read_weights
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.runs.folder import RunFolder

_LARGE_KERNEL = 7  # of the first convolution of a ResNet for large images
_LARGE_SIDE = 224  # pixels of the images that weights with such a convolution were trained on, nearly always


@dataclass(frozen=True)
class PretrainedWeights:
    """Weights to start from."""

    name: str
    """What followed --init."""
    file: Path | None
    """Where they are; None where a library has them."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Options that they were made with, taken over where they were not said."""
    trained: Trained | None = None
    """The images they were trained on, where that is known."""
    channels: int | None = None
    """Of those images, where that is known."""

    @property
    def source(self) -> str:
        """Where options came from that these weights decided (`core/config.py`)."""
        return f"weights of {self.name}"

    def layer(self) -> Layer:
        """The settings, as a layer of a configuration."""
        return Layer(self.source, self.settings)

    def normalization(self, options: TrainOptions, channels: int) -> str:
        """`--normalize` made concrete: data, imagenet or weights.

        Raises:
            LookalikeError: a way that does not go with these weights or images.
        """
        wanted = options.normalize
        if wanted == "weights" and self.trained is None:
            raise LookalikeError(
                f"--normalize weights: {self.name} does not say how the images were normalised that it was trained on; "
                "take imagenet or data"
            )
        if wanted != "auto":
            return wanted
        if self.trained is not None and len(self.trained.mean) == channels:
            return "weights"
        return "imagenet" if channels == len(IMAGENET_MEAN) and self.trained is None else "data"

    def load_into(self, backbone: FeatureExtractor, normalize: str) -> None:
        """Load the weights into a network, whose images are normalised as `normalization` said.

        Raises:
            LookalikeError: they do not fit; says what differs.
        """
        spec = backbone.spec
        if self.channels not in (None, spec.channels):
            raise LookalikeError(
                f"--init {self.name} is of a network for {counted(self.channels, 'channel')}, "
                f"and these images have {spec.channels}. Convert the images, or train without --init"
                + (f"; lookalike embed {self.name} DATA converts colour to grey" if self.channels == 1 else "")
            )
        fit_weights(backbone.encoder, self._tensors(spec), self.name)
        statistics: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {"imagenet": (IMAGENET_MEAN, IMAGENET_STD)}
        if self.trained is not None:
            statistics["weights"] = self.trained.mean, self.trained.std
        backbone.mean, backbone.std = statistics.get(normalize, (backbone.mean, backbone.std))
        backbone.normalized_by = normalize

    def words(self, backbone: FeatureExtractor, images: int) -> str:
        """What is said of it as a run begins. `images`: channels that the images of the run have."""
        spec = backbone.spec
        ways = {"data": "these images", "imagenet": "ImageNet", "weights": "the images they were trained on"}
        grey = "; grey images enter it as grey in three channels" if images == 1 != spec.channels else ""
        return (
            f"weights of {self.name}: {spec.name} for {spec.image_size} x {spec.image_size} pixels; images are "
            f"normalised by mean and deviation of {ways[backbone.normalized_by]} (--normalize){grey}"
        )

    def record(self) -> dict[str, object]:
        """For run.json."""
        return {"said": self.name, "file": None if self.file is None else str(self.file), "sha256": self.fingerprint()}

    def fingerprint(self) -> str | None:
        """A hash of the file; None where a library has the weights."""
        if self.file is None:
            return None
        with open(self.file, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _tensors(self, spec: EncoderSpec) -> Mapping[str, Tensor]:
        if self.file is not None:
            return read_weights(self.file)
        library, model = library_of(spec.name) or ("torchvision", spec.name)
        try:
            return bridge(library).pretrained(model, spec)
        except LookalikeError:
            raise
        except Exception as error:  # no network, no such weights, a full disk: the library's own errors
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise LookalikeError(
                f"{library} gave no weights for {model}: {reason}. It fetches them over the network; where there is "
                "none, bring a file of them (.safetensors, .pth) and name it: --init FILE"
            ) from error


def find_pretrained(options: TrainOptions) -> PretrainedWeights | None:
    """What --init names, before any image is read; None without it.

    Raises:
        LookalikeError: nothing is there, or it cannot be read.
    """
    if options.init is None:
        return None
    if options.init in LIBRARIES and not Path(options.init).exists():
        return _of_library(options)
    path = Path(options.init)
    file = RunFolder.existing(path).encoder if path.is_dir() else path
    if path.is_dir() and not file.is_file():
        raise LookalikeError(f"--init {path}: the run has no encoder.safetensors yet; let its training finish")
    metadata = _metadata(file) if file.suffix == ".safetensors" and file.is_file() else {}
    if {"encoder", "mean", "std", "image_size", "channels"} <= metadata.keys():
        return _of_run(options.init, file, metadata)
    return _of_file(options, file)


def _of_library(options: TrainOptions) -> PretrainedWeights:
    library = options.init
    model = library_of(options.encoder)
    if model is None and library == "torchvision" and options.encoder.startswith("resnet"):
        model = ("torchvision", options.encoder)  # our own has its names and shapes
    if model is None or model[0] != library:
        also = ", resnet18, resnet34, resnet50" if library == "torchvision" else ""
        raise LookalikeError(
            f"--init {library}: name a network that it has weights for, --encoder {library}:NAME{also}"
        )
    trained = bridge(model[0]).trained(model[1])
    if trained is None:
        raise LookalikeError(f"--init {library}: it has no weights for {model[1]}")
    settings: dict[str, object] = {"image_size": trained.image_size}
    return PretrainedWeights(
        str(library), None, settings if ":" in options.encoder else settings | {"stem": "large"}, trained
    )


def _of_run(name: str, file: Path, metadata: Mapping[str, str]) -> PretrainedWeights:
    spec = EncoderSpec(
        metadata["encoder"], int(metadata["channels"]), int(metadata["image_size"]), stem=metadata.get("stem", "auto")
    )
    settings: dict[str, object] = {
        "width": int(metadata.get("width", EncoderSpec.width)),
        # auto would choose by the size of the new images
        "stem": "small" if spec.small_stem else "large",
        "norm": metadata.get("norm", EncoderSpec.norm),
        "image_size": spec.image_size,
    }
    if not spec.name.startswith("python:"):  # which is given from Python again
        settings["encoder"] = spec.name
    trained = Trained(spec.image_size, tuple(json.loads(metadata["mean"])), tuple(json.loads(metadata["std"])))
    return PretrainedWeights(name, file, settings, trained, spec.channels)


def _of_file(options: TrainOptions, file: Path) -> PretrainedWeights:
    """A file of somebody else's, whose network `options.encoder` names."""
    model = library_of(options.encoder)
    if model is not None:
        trained = bridge(model[0]).trained(model[1])
        return PretrainedWeights(
            str(options.init), file, {} if trained is None else {"image_size": trained.image_size}, trained
        )
    first = next((t for name, t in read_weights(file).items() if name.endswith("conv1.weight") and t.ndim == 4), None)
    large = options.encoder.startswith("resnet") and first is not None and first.shape[-1] == _LARGE_KERNEL
    return PretrainedWeights(str(options.init), file, {"stem": "large", "image_size": _LARGE_SIDE} if large else {})


def _metadata(file: Path) -> Mapping[str, str]:
    try:
        with safe_open(file, framework="pt") as opened:
            return opened.metadata() or {}
    except (SafetensorError, OSError):  # reading the weights says it better
        return {}
