"""The lines that build torchvision's or timm's own model so that it fits a run, and the check that it does.

The lines are written into `load.py` beside the weights, and what is checked is that file: it is run as it stands.
"""

from __future__ import annotations

import copy
import runpy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.core.errors import LookalikeError
from lookalike.encoders.resnet import ResNet
from lookalike.engine.feature_extractor import FeatureExtractor

WEIGHTS = "encoder.safetensors"
LOADER = "load.py"
RESNETS = "resnet18, resnet34 and resnet50"
TOLERANCE = 1e-6
_IMAGES = 4  # that are compared


@dataclass(frozen=True)
class Lines:
    """Python that builds a model and loads the weights."""

    imports: tuple[str, ...]
    build: tuple[str, ...]

    def text(self, weights: str, backbone: FeatureExtractor) -> str:
        """As a person would type it, `weights` being an expression for the file."""
        use = f"features = model((images / 255 - mean) / std)  # of uint8 images {shape_words(backbone)}"
        return "\n".join([*self.imports, "", *self.build, *self.load(weights), "", *_statistics(backbone), use])

    def load(self, weights: str) -> tuple[str, ...]:
        """The lines that load the weights, strictly."""
        return (f"model.load_state_dict(safetensors.torch.load_file({weights}))", "model.eval()")


def is_resnet(backbone: FeatureExtractor) -> bool:
    """Whether the network is one that torchvision and timm have too."""
    return isinstance(backbone.encoder, ResNet) and backbone.spec.name.startswith("resnet")


def torchvision_lines(backbone: FeatureExtractor) -> Lines:
    """Lines for torchvision's model, its classifier taken off: images [B, C, S, S] to features [B, D]."""
    spec = backbone.spec
    norm = backbone.encoder.bn1
    groups = f"norm_layer=functools.partial(torch.nn.GroupNorm, {norm.num_groups})" if _grouped(norm) else ""
    build = [f"model = torchvision.models.{spec.name}({groups})"]
    if spec.small_stem or spec.channels != 3:
        build.append(f"model.conv1 = {_first(backbone)}")
    if spec.small_stem:
        build.append("model.maxpool = torch.nn.Identity()")
    build.append("model.fc = torch.nn.Identity()")
    imports = ["import safetensors.torch", "import torch", "import torchvision"]
    return Lines(tuple(["import functools"] * bool(groups) + imports), tuple(build + _double(backbone)))


def timm_lines(backbone: FeatureExtractor) -> Lines:
    """Lines for timm's model without a classifier."""
    spec = backbone.spec
    norm = backbone.encoder.bn1
    options = ["num_classes=0"]
    if spec.channels != 3 and not spec.small_stem:
        options.append(f"in_chans={spec.channels}")
    if _grouped(norm):
        options.append(f"norm_layer=functools.partial(timm.layers.GroupNorm, num_groups={norm.num_groups})")
    build = [f'model = timm.create_model("{spec.name}", {", ".join(options)})']
    if spec.small_stem:
        build += [f"model.conv1 = {_first(backbone)}", "model.maxpool = torch.nn.Identity()"]
    imports = ["import safetensors.torch", "import timm", "import torch"]
    return Lines(tuple(["import functools"] * _grouped(norm) + imports), tuple(build + _double(backbone)))


def _grouped(norm: object) -> TypeGuard[nn.GroupNorm]:
    return isinstance(norm, nn.GroupNorm)


def _first(backbone: FeatureExtractor) -> str:
    layer = "3, padding=1" if backbone.spec.small_stem else "7, stride=2, padding=3"
    return f"torch.nn.Conv2d({backbone.spec.channels}, 64, {layer}, bias=False)"


def _double(backbone: FeatureExtractor) -> list[str]:
    return ["model.double()"] if backbone.precision == "float64" else []


def prepare_lines(backbone: FeatureExtractor) -> tuple[str, ...]:
    """A function `prepare` that makes the network's input of uint8 images [B, C, S, S]."""
    return (
        *_statistics(backbone),
        "",
        "",
        "def prepare(images):",
        f'    """The network\'s input of uint8 images {shape_words(backbone)}."""',
        "    return (images / 255 - mean) / std",
    )


def _statistics(backbone: FeatureExtractor) -> tuple[str, ...]:
    kind = ", dtype=torch.float64" if backbone.precision == "float64" else ""
    values = (("mean", backbone.mean), ("std", backbone.std))
    return tuple(f"{name} = torch.tensor({list(map(float, v))}{kind}).view(-1, 1, 1)" for name, v in values)


def shape_words(backbone: FeatureExtractor) -> str:
    """The shape of the images, for people."""
    spec = backbone.spec
    return f"[B, {spec.channels}, {spec.image_size}, {spec.image_size}]"


def write_loader(
    path: Path, lines: Lines, backbone: FeatureExtractor, weights: str = WEIGHTS, more: Sequence[str] = ()
) -> None:
    """A module with `model` and `prepare`, for weights that lie beside it."""
    width = backbone.encoder.out_features
    head = f'"""{backbone.spec.name}: `model(prepare(images))` makes features [B, {width}] of uint8 images."""'
    standard = ["from pathlib import Path", *(line for line in lines.imports if line == "import functools")]
    others = [line for line in lines.imports if line != "import functools"]
    place = f'Path(__file__).with_name("{weights}")'
    body = [*lines.build, *lines.load(place), "", *prepare_lines(backbone), *more]
    path.write_text(
        "\n".join([head, "", *sorted(standard, key=_plain_first), "", *others, "", *body]) + "\n", encoding="utf-8"
    )


def _plain_first(line: str) -> tuple[bool, str]:
    return line.startswith("from"), line


def parity(backbone: FeatureExtractor, loader: Path) -> dict[str, float]:
    """The largest differences between the run's network and the one that `loader` builds, on the same images.

    Returns:
        "float32" and "float64": of features, in that arithmetic; "input": of what `prepare` makes.

    Raises:
        LookalikeError: one is above 1e-6 (of float32 features: times the largest of them, where that is above 1).
    """
    module = runpy.run_path(str(loader))
    return compare(backbone, module["model"], module["prepare"])


def compare(backbone: FeatureExtractor, model: nn.Module, prepare: Callable[[Tensor], Tensor]) -> dict[str, float]:
    """`parity` of a model that is there already."""
    x_uint8 = sample(backbone, _IMAGES)
    theirs, ours = prepare(x_uint8), backbone.preprocess(x_uint8)
    checks = {"input": float((theirs - ours).abs().max())}
    largest = 1.0
    for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
        one, other = (_features(network, ours.to(dtype)) for network in (backbone.encoder, model))
        checks[name] = float((one - other).abs().max())
        largest = max(1.0, float(one.abs().max())) if name == "float32" else 1.0
        limit = TOLERANCE * largest
        if not checks[name] <= limit:
            raise LookalikeError(
                f"the model was built and loaded, but its features differ from the run's by {checks[name]:.1e} in "
                f"{name} (at most {limit:.0e} is allowed): this version of the library computes something else. "
                "Nothing was written."
            )
    if not checks["input"] <= TOLERANCE * max(1.0, float(ours.abs().max())):
        raise LookalikeError(f"the prepared images differ from the run's by {checks['input']:.1e}; nothing was written")
    return checks


def sample(backbone: FeatureExtractor, n: int, height: int | None = None, width: int | None = None) -> Tensor:
    """Images of noise, the same each time: uint8 [n, C, height, width]; S x S where no size is named."""
    spec = backbone.spec
    shape = (n, spec.channels, height or spec.image_size, width or spec.image_size)
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


@torch.no_grad()
def _features(network: nn.Module, x_BCHW: Tensor) -> Tensor:
    # in the same order of memory both take the same kernels, so that rounding does not hide a difference
    twin = copy.deepcopy(network).to(x_BCHW.dtype).eval()
    twin = twin.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # as in feature_extractor.placed
    return twin(x_BCHW.contiguous())


def checked(checks: dict[str, float], library: str) -> str:
    """What a comparison found, in a sentence."""
    return (
        f"checked: {library}'s model loads the weights strictly and gives the run's features "
        f"(largest difference {checks['float32']:.0e} in float32, {checks['float64']:.0e} in float64)"
    )
